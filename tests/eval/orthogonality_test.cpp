#include "msae/eval/orthogonality.h"

#include <gtest/gtest.h>

#include "eval/metrics_golden.h"
#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(DecoderOrthogonality, CountsEveryPairTwiceAndNoRowWithItself) {
  // dot products 0, 2 and 3
  const auto rows = torch::tensor({{1.0, 0.0}, {0.0, 3.0}, {2.0, 1.0}}, torch::kFloat64);
  EXPECT_NEAR(decoder_orthogonality(rows), 2 * (4.0 + 9) / 9, 1e-14);
}

TEST(DecoderOrthogonality, IsTheMeanSquaredDotProductOfDifferentRows) {
  for (const auto& shape : {std::vector<std::int64_t>{7, 3}, {3, 7}, {1, 4}}) {
    const auto rows = test::random(shape, 1);
    auto products = rows.mm(rows.t());
    products.fill_diagonal_(0);
    EXPECT_NEAR(decoder_orthogonality(rows),
                products.square().sum().item<double>() / static_cast<double>(shape[0] * shape[0]), 1e-12);
  }
  EXPECT_THROW(decoder_orthogonality(test::random({4}, 1)), c10::Error);
}

TEST(DecoderOrthogonality, DoesNotDependOnTheOrderOfRows) {
  const auto rows = test::random({40, 6}, 1);
  EXPECT_NEAR(decoder_orthogonality(rows), decoder_orthogonality(rows.flip(0)), 1e-12);
}

TEST(DecoderOrthogonality, IsThePublishedOne) {
  for (const auto* kind : {"f64", "f32", "unit_rows_f64", "identity_f64"}) {
    const auto group = std::string("orthogonality/") + kind;
    const double expected = test::metric(group + "/value").item<double>();
    EXPECT_NEAR(decoder_orthogonality(test::metric(group + "/decoder")), expected, 1e-6 * expected) << kind;
  }
}

}  // namespace
}  // namespace msae::eval
