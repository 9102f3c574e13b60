#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "msae/data/batch_loader.h"

namespace msae::data {
namespace {

std::vector<std::int64_t> torch_permutation(std::int64_t rows, std::uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  const auto order = at::randperm(rows, generator, at::TensorOptions().dtype(at::kLong));
  const auto* data = order.const_data_ptr<std::int64_t>();
  return {data, data + rows};
}

TEST(Permutation, IsThatOfTorch) {
  for (const std::int64_t rows : {0, 1, 2, 3, 10, 1000, 41599}) {
    for (const std::uint64_t seed : {0ull, 1ull, 42ull, 0xdeadbeefcafeull, ~0ull}) {
      EXPECT_EQ(permutation(rows, seed), torch_permutation(rows, seed)) << rows << " rows, seed " << seed;
    }
  }
}

}  // namespace
}  // namespace msae::data
