#include "msae/ops/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/tensors.h"

namespace msae {
namespace {

using Levels = std::vector<std::int64_t>;

// The definition, one row and one entry at a time.
torch::Tensor naive_levels(const torch::Tensor& pre, const Levels& levels) {
  const auto rows = pre.size(0), latents = pre.size(1);
  auto result = torch::full(pre.sizes(), static_cast<std::int64_t>(levels.size()), torch::kUInt8);
  for (std::int64_t b = 0; b < rows; ++b) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(latents));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      return pre[b][i].item<double>() > pre[b][j].item<double>();
    });
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      const auto level = std::find_if(levels.begin(), levels.end(),
                                      [&](auto k) { return static_cast<std::int64_t>(rank) < k; }) -
                         levels.begin();
      result[b][order[rank]] = static_cast<std::int64_t>(level);
    }
  }
  return result;
}

struct SelectionCase {
  const char* name;
  std::int64_t rows, latents;
  Levels levels;
  int distinct;  // values are drawn from so many; 0: all differ
};

class NestedLevels : public testing::TestWithParam<std::tuple<SelectionCase, torch::ScalarType>> {};

TEST_P(NestedLevels, FollowTheRankingByValueThenIndex) {
  const auto& [c, type] = GetParam();
  auto pre = test::random({c.rows, c.latents}, 7, type);
  if (c.distinct > 0) pre = (pre * c.distinct / 4).round();
  EXPECT_TRUE(torch::equal(ops::nested_levels(pre, c.levels), naive_levels(pre, c.levels)));
}

INSTANTIATE_TEST_SUITE_P(Shapes, NestedLevels,
                         testing::Combine(testing::Values(SelectionCase{"plain", 5, 37, {4, 8, 16, 37}, 0},
                                                          SelectionCase{"one_row", 1, 13, {1, 5}, 0},
                                                          SelectionCase{"one_latent", 4, 1, {1}, 0},
                                                          SelectionCase{"k_zero", 3, 9, {0, 2, 9}, 0},
                                                          SelectionCase{"all", 3, 9, {9}, 0},
                                                          SelectionCase{"beyond_all", 3, 9, {2, 9, 20}, 0},
                                                          SelectionCase{"none", 3, 9, {0}, 0},
                                                          SelectionCase{"no_levels", 3, 9, {}, 0},
                                                          SelectionCase{"ties", 11, 40, {1, 3, 7, 20}, 3},
                                                          SelectionCase{"all_equal", 6, 17, {1, 2, 4, 16}, 1},
                                                          SelectionCase{"odd", 17, 101, {13, 29, 97}, 12}),
                                          testing::Values(torch::kFloat32, torch::kFloat64)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) == torch::kFloat32 ? "_float32" : "_float64");
                         });

TEST(NestedLevels, SettleTiesInSomeRowsAndLeaveTheOthersAlone) {
  auto pre = test::random({9, 30}, 5);
  for (const std::int64_t row : {2, 7}) pre[row].copy_(pre[row].round());
  EXPECT_TRUE(torch::equal(ops::nested_levels(pre, {1, 3, 9, 30}), naive_levels(pre, {1, 3, 9, 30})));
}

TEST(NestedLevels, RefusesLevelsThatDoNotAscend) {
  const auto pre = test::random({2, 8}, 1);
  EXPECT_THROW(ops::nested_levels(pre, {4, 4}), c10::Error);
  EXPECT_THROW(ops::nested_levels(pre, {4, 2}), c10::Error);
  EXPECT_THROW(ops::nested_levels(pre, {-1}), c10::Error);
  EXPECT_THROW(ops::nested_levels(pre[0], {1}), c10::Error);
}

class BatchTopK : public testing::TestWithParam<std::tuple<std::int64_t, int>> {};

TEST_P(BatchTopK, KeepsTheLargestOfTheWholeBatch) {
  const auto [k, distinct] = GetParam();
  auto pre = test::random({7, 23}, 3, torch::kFloat32);
  if (distinct > 0) pre = (pre * distinct).round();
  const auto expected =
      naive_levels(pre.reshape({1, -1}), {std::min<std::int64_t>(k, 23) * 7}).reshape({7, 23}) == 0;
  EXPECT_TRUE(torch::equal(ops::batch_topk_mask(pre, k), expected));
}

INSTANTIATE_TEST_SUITE_P(Sizes, BatchTopK,
                         testing::Combine(testing::Values(0, 1, 5, 22, 23, 50), testing::Values(0, 1, 3)));

struct BatchCase {
  const char* name;
  std::int64_t rows, latents;
  Levels levels;
  int distinct;  // as in SelectionCase
  double shift;
};

class BatchNestedLevels : public testing::TestWithParam<std::tuple<BatchCase, torch::ScalarType>> {};

// The batch is one long row, whose levels are `rows` times as wide.
TEST_P(BatchNestedLevels, AreThoseOfTheWholeBatchAsOneRow) {
  const auto& [c, type] = GetParam();
  auto pre = test::random({c.rows, c.latents}, 7, type) + c.shift;
  if (c.distinct > 0) pre = (pre * c.distinct / 4).round();
  auto wide = c.levels;
  for (auto& k : wide) k *= c.rows;
  const auto expected = naive_levels(pre.reshape({1, -1}), wide).reshape(pre.sizes());
  EXPECT_TRUE(torch::equal(ops::batch_nested_levels(pre, c.levels), expected));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, BatchNestedLevels,
    testing::Combine(
        testing::Values(BatchCase{"plain", 5, 37, {4, 8, 16, 37}, 0, 0},
                        BatchCase{"one_row", 1, 13, {1, 5}, 0, 0}, BatchCase{"one_latent", 4, 1, {1}, 0, 0},
                        BatchCase{"k_zero", 3, 9, {0, 2, 9}, 0, 0}, BatchCase{"k_one", 6, 9, {1}, 0, 0},
                        BatchCase{"all", 3, 9, {9}, 0, 0}, BatchCase{"beyond_all", 3, 9, {2, 9, 20}, 0, 0},
                        BatchCase{"none", 3, 9, {0}, 0, 0}, BatchCase{"no_levels", 3, 9, {}, 0, 0},
                        BatchCase{"few_positives", 6, 11, {1, 4, 10}, 0, -1.5},
                        BatchCase{"no_positives", 6, 11, {1, 4, 10}, 0, -9},
                        BatchCase{"ties", 11, 40, {1, 3, 7, 20}, 3, 0},
                        BatchCase{"all_equal", 6, 17, {1, 2, 4, 16}, 1, 0}),
        testing::Values(torch::kFloat32, torch::kFloat64)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == torch::kFloat32 ? "_float32" : "_float64");
    });

TEST(BatchNestedLevels, RefuseWhatNestedLevelsRefuse) {
  const auto pre = test::random({2, 8}, 1);
  EXPECT_THROW(ops::batch_nested_levels(pre, {4, 4}), c10::Error);
  EXPECT_THROW(ops::batch_nested_levels(pre, {-1}), c10::Error);
  EXPECT_THROW(ops::batch_nested_levels(pre[0], {1}), c10::Error);
  EXPECT_THROW(ops::batch_nested_levels(pre.to(torch::kInt64), {1}), c10::Error);
}

}  // namespace
}  // namespace msae
