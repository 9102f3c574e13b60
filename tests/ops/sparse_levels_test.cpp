#include "ops/sparse_levels.h"

#include <gtest/gtest.h>

#include "msae/ops/selection.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae {
namespace {

using Levels = std::vector<std::int64_t>;

// Pre-activations with ties, rows of few positive ones, and a row without any.
torch::Tensor mixed_pre(std::int64_t rows, std::int64_t latents, torch::ScalarType type) {
  auto pre = test::random({rows, latents}, 4, type);
  for (std::int64_t row = 0; row < rows; row += 3) pre[row].copy_((pre[row] * 2).round());
  for (std::int64_t row = 1; row < rows; row += 5) pre[row].sub_(1.5);
  pre[rows / 2].abs_().neg_();
  return pre;
}

class SparseLevelsOf : public testing::TestWithParam<std::tuple<torch::ScalarType, std::int64_t>> {
 protected:
  const torch::ScalarType type = std::get<0>(GetParam());
  const std::int64_t latents = std::get<1>(GetParam());
  const torch::Tensor pre = mixed_pre(141, latents, type);
  const Levels levels{0, 3, 11, latents};
};

TEST_P(SparseLevelsOf, PositiveLatentsAreThoseOfNestedLevels) {
  const auto expected = torch::where(pre > 0, ops::nested_levels(pre, levels), 4).to(torch::kUInt8);
  EXPECT_TRUE(torch::equal(ops::positive_levels(pre, levels), expected));
  EXPECT_TRUE(torch::equal(ops::positive_levels(pre.t().contiguous().t(), levels), expected));
}

TEST_P(SparseLevelsOf, RowsAreCompressedWithTheirColumnsAscending) {
  for (const std::int64_t k : {std::int64_t{0}, std::int64_t{3}, latents}) {
    const auto found = ops::sparse_topk(pre, k);
    const auto kept = ops::positive_levels(pre, {k}) == 0;
    EXPECT_TRUE(torch::equal(found.counts, kept.sum(1)));
    EXPECT_TRUE(torch::equal(found.indices, kept.nonzero().select(1, 1).to(torch::kInt32)));
    EXPECT_TRUE(torch::equal(found.values, pre.masked_select(kept)));
  }
}

TEST_P(SparseLevelsOf, ActivityIsThatOfDenseLatentsForAnyNumberOfThreads) {
  const auto level = ops::positive_levels(pre, levels);
  for (const int threads : {1, 3}) {
    const test::Threads limit(threads);
    const auto found = ops::with_type_of(
        pre, [&]<typename T>(T) { return ops::activity_of(ops::sparse_levels<T>(pre, levels)); });
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const auto latents_of_level = pre * (level <= static_cast<std::int64_t>(i));
      const auto active = latents_of_level != 0;
      EXPECT_EQ(found.active[i], active.sum().item<std::int64_t>());
      EXPECT_NEAR(found.magnitude[i], latents_of_level.sum(torch::kFloat64).item<double>(),
                  1e-12 * (1 + found.magnitude[i]));
      EXPECT_TRUE(torch::equal(found.first_level <= static_cast<std::int64_t>(i), active.any(0)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, SparseLevelsOf,
                         testing::Combine(testing::Values(torch::kFloat32, torch::kFloat64),
                                          testing::Values(37, 1600)));

TEST(SparseLevels, OtherTypesTakeThePlainWay) {
  const auto pre = mixed_pre(9, 20, torch::kFloat32).to(torch::kBFloat16);
  EXPECT_FALSE(ops::kernels_take(pre));
  EXPECT_TRUE(
      torch::equal(ops::positive_levels(pre, {2, 5}), ops::positive_levels(pre.to(torch::kFloat32), {2, 5})));
}

}  // namespace
}  // namespace msae
