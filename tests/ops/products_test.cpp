#include "ops/products.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace msae::ops {
namespace {

template <typename T>
double error_of(ProductLibrary library, bool bfloat16, bool transposed, std::int64_t m, std::int64_t n,
                std::int64_t k) {
  const auto type = torch::CppTypeToScalarType<T>::value;
  const auto a = test::random({m, k}, 1, type), b = test::random({k, n}, 2, type);
  const auto stored = transposed ? b.t().contiguous() : b;
  auto c = torch::full({m, n}, NAN, type);
  const auto by_b = product<T>(library, bfloat16).by(transposed, n, k, stored.template const_data_ptr<T>());
  by_b(m, a.template const_data_ptr<T>(), c.template data_ptr<T>());
  return test::relative_error(c.to(torch::kFloat64), a.to(torch::kFloat64).mm(b.to(torch::kFloat64)));
}

TEST(Products, AreThoseOfTheFormulaInEveryLibrary) {
  for (const auto library : all_product_libraries) {
    if (!is_available(library)) continue;
    for (const bool transposed : {false, true}) {
      for (const auto& [m, n, k] :
           {std::tuple{1, 1, 1}, std::tuple{3, 5, 7}, std::tuple{130, 65, 33}, std::tuple{64, 200, 129}}) {
        EXPECT_LE(error_of<float>(library, false, transposed, m, n, k), 1e-5) << name_of(library);
        EXPECT_LE(error_of<double>(library, false, transposed, m, n, k), 1e-13) << name_of(library);
        EXPECT_LE(error_of<float>(library, true, transposed, m, n, k), 0.02) << name_of(library);
        EXPECT_GT(error_of<float>(library, true, transposed, 64, 64, 64), 1e-4) << "8 bits of mantissa";
      }
    }
  }
}

TEST(Products, OfTheUsualLibraryCanBeHad) {
  EXPECT_TRUE(is_available(ProductLibrary::torch));
  EXPECT_TRUE(is_available(usual_library()));
}

}  // namespace
}  // namespace msae::ops
