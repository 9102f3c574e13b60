#include "eval/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

namespace msae::eval {
namespace {

double sum_of(const std::vector<double>& scores, std::int64_t columns,
              const std::vector<std::int64_t>& match) {
  double sum = 0;
  for (std::size_t row = 0; row < match.size(); ++row) {
    sum += scores[row * static_cast<std::size_t>(columns) + static_cast<std::size_t>(match[row])];
  }
  return sum;
}

/// The best sum of all ways to give `rows` rows a column each.
double best_sum(const std::vector<double>& scores, std::int64_t rows, std::int64_t columns) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(columns));
  std::iota(order.begin(), order.end(), 0);
  double best = -INFINITY;
  do {
    best = std::max(best, sum_of(scores, columns, {order.begin(), order.begin() + rows}));
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

void expect_best(const std::vector<double>& scores, std::int64_t rows, std::int64_t columns) {
  const auto match = best_assignment(scores, rows, columns);
  ASSERT_EQ(match.size(), static_cast<std::size_t>(rows));
  EXPECT_EQ(std::set<std::int64_t>(match.begin(), match.end()).size(), match.size()) << "no column twice";
  EXPECT_NEAR(sum_of(scores, columns, match), best_sum(scores, rows, columns), 1e-12)
      << rows << " by " << columns;
}

TEST(BestAssignment, HasTheBestSumOfAll) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (std::int64_t columns = 1; columns <= 6; ++columns) {
    for (std::int64_t rows = 1; rows <= columns; ++rows) {
      for (int trial = 0; trial < 20; ++trial) {
        std::vector<double> scores(static_cast<std::size_t>(rows * columns));
        for (double& score : scores) score = normal(random);
        expect_best(scores, rows, columns);
        for (double& score : scores) score = static_cast<double>(random() % 3);  // full of ties
        expect_best(scores, rows, columns);
        for (std::size_t i = 0; i < scores.size(); ++i) {  // all rows want the same columns
          scores[i] = static_cast<double>(i % static_cast<std::size_t>(columns)) + 1e-3 * normal(random);
        }
        expect_best(scores, rows, columns);
      }
    }
  }
}

TEST(BestAssignment, TakesTheFirstOfEquals) {
  EXPECT_EQ(best_assignment(std::vector<double>(12, 0.5), 3, 4), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(BestAssignment, OfNothingIsNothing) {
  EXPECT_TRUE(best_assignment({}, 0, 0).empty());
  EXPECT_TRUE(best_assignment({}, 0, 5).empty());
}

TEST(BestAssignment, FindsAPermutation) {
  constexpr std::int64_t size = 300;
  std::mt19937 random(1);
  std::vector<std::int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  std::uniform_real_distribution<double> noise(0, 0.49);
  std::vector<double> scores(size * size);
  for (double& score : scores) score = noise(random);
  for (std::size_t row = 0; row < order.size(); ++row) {
    scores[row * size + static_cast<std::size_t>(order[row])] += 0.5;
  }
  EXPECT_EQ(best_assignment(scores, size, size), order);
}

}  // namespace
}  // namespace msae::eval
