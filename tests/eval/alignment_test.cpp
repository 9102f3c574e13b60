#include "msae/eval/alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/error_of.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

using testing::ElementsAre;

TEST(Align, IsThePublishedMatching) {
  for (const std::string name : {"random", "permuted_noisy", "rectangular", "f64_inputs", "zero_row"}) {
    const auto stored = [&](const std::string& what) {
      return test::comparison("hungarian/" + name + "/" + what);
    };
    // The published code made a zero row NaN when it divided by its length.
    const auto found = align(stored("a").nan_to_num(), stored("b"));
    EXPECT_NEAR(found.matched, stored("score").item<double>(), 1e-6) << name;
    const auto match = torch::tensor(found.match, torch::kInt64);
    const auto same = match.eq(stored("cols").to(torch::kInt64)).sum().item<std::int64_t>();
    EXPECT_EQ(same, match.numel()) << name;
  }
}

TEST(Align, OfAPermutedDictionaryFindsThePermutation) {
  const auto a = test::random({4, 9}, 1);
  const auto b = a.index_select(0, torch::tensor({2, 0, 3, 1}, torch::kInt64)) * 7;
  const auto found = align(a, b);
  EXPECT_THAT(found.match, ElementsAre(1, 3, 0, 2));
  for (const double value : {found.matched, found.nearest_to_a, found.nearest_to_b})
    EXPECT_NEAR(value, 1, 1e-14);
  EXPECT_EQ(found.above_09, 1);
  EXPECT_EQ(found.above_07, 1);
}

TEST(Align, KnowsPairsFromNearest) {
  // Both rows of a are nearest to b's first; only one can have it.
  const auto a = torch::tensor({{1.0, 0.0}, {1.0, 0.75}}, torch::kFloat64);
  const auto b = torch::tensor({{2.0, 0.0}, {0.0, 1.0}}, torch::kFloat64);
  const auto found = align(a, b);
  EXPECT_THAT(found.match, ElementsAre(0, 1));
  EXPECT_NEAR(found.cosine[1], 0.6, 1e-14);
  EXPECT_NEAR(found.matched, (1 + 0.6) / 2, 1e-14);
  EXPECT_NEAR(found.nearest_to_a, (1 + 0.8) / 2, 1e-14);
  EXPECT_NEAR(found.nearest_to_b, (1 + 0.6) / 2, 1e-14);
  EXPECT_EQ(found.above_09, 0.5);
  EXPECT_EQ(found.above_07, 0.5);
}

TEST(Align, WorksBothWays) {
  const auto a = test::random({3, 8}, 1), b = test::random({7, 8}, 2);
  const auto there = align(a, b), back = align(b, a);
  EXPECT_EQ(there.matched, back.matched);
  EXPECT_NEAR(there.nearest_to_a, back.nearest_to_b, 1e-14);
  EXPECT_NEAR(there.nearest_to_b, back.nearest_to_a, 1e-14);
  std::int64_t alone = 0;
  for (std::size_t row = 0; row < back.match.size(); ++row) {
    if (back.match[row] < 0) {
      ++alone;
      EXPECT_TRUE(std::isnan(back.cosine[row]));
      continue;
    }
    const auto partner = static_cast<std::size_t>(back.match[row]);
    EXPECT_EQ(there.match[partner], static_cast<std::int64_t>(row));
    EXPECT_EQ(there.cosine[partner], back.cosine[row]);
  }
  EXPECT_EQ(alone, 4);
}

TEST(Align, GivesZeroRowsACosineOfZero) {
  const auto a = torch::tensor({{0.0, 0.0}, {1.0, 0.0}}, torch::kFloat64);
  const auto found = align(a, torch::tensor({{0.0, 0.0}, {-1.0, 0.0}}, torch::kFloat64));
  EXPECT_THAT(found.cosine, ElementsAre(0, 0)) << "better than 0 and -1";
  EXPECT_EQ(found.matched, 0);
  EXPECT_EQ(align(a[0].unsqueeze(0), a[0].unsqueeze(0)).matched, 0);
}

TEST(Align, DoesNotDependOnOrderThreadsOrPrecision) {
  const auto a = test::random({30, 6}, 1), b = test::random({45, 6}, 2);
  const auto found = align(a, b);
  const auto backwards = align(a.flip(0), b.flip(0));
  EXPECT_NEAR(backwards.matched, found.matched, 1e-13);
  for (std::size_t row = 0; row < 30; ++row) EXPECT_EQ(backwards.match[29 - row], 44 - found.match[row]);
  EXPECT_NEAR(align(a.to(torch::kFloat32), b.to(torch::kFloat32)).matched, found.matched, 1e-6);
  const test::Threads one(1);
  EXPECT_EQ(align(a, b).match, found.match);
}

TEST(Align, RefusesWhatDoesNotFit) {
  const auto a = test::random({3, 4}, 1);
  EXPECT_THROW(align(a, test::random({3, 5}, 1)), c10::Error);
  EXPECT_THROW(align(a, a[0]), c10::Error);
  EXPECT_THROW(align(a, a.slice(0, 0, 0)), c10::Error);
  EXPECT_THAT(test::error_of<c10::Error>([&] { align(a * NAN, a); }), testing::HasSubstr("NaN"));
}

}  // namespace
}  // namespace msae::eval
