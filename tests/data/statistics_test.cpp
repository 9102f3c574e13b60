#include "msae/data/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "data/random.h"
#include "msae/core/error.h"

namespace msae::data {
namespace {

std::vector<float> random_rows(std::size_t rows, std::size_t dim, double mean, double spread) {
  Random random(7);
  std::vector<float> values(rows * dim);
  for (auto& value : values) value = static_cast<float>(mean + spread * random.normal());
  return values;
}

/// In two passes: first the mean, then the deviations from it.
Statistics naive(const std::vector<float>& values, std::size_t dim) {
  const auto rows = values.size() / dim;
  Statistics result{.rows = static_cast<std::int64_t>(rows), .mean = std::vector<double>(dim)};
  for (std::size_t i = 0; i < values.size(); ++i)
    result.mean[i % dim] += values[i] / static_cast<double>(rows);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double deviation = values[i] - result.mean[i % dim];
    result.mean_squared_deviation += deviation * deviation / static_cast<double>(rows);
  }
  return result;
}

void expect_as_naive(const std::vector<float>& values, std::size_t dim) {
  const auto source = in_memory(values, static_cast<std::int64_t>(dim));
  const auto expected = naive(values, dim);
  const auto found = statistics(*source);
  EXPECT_EQ(found.rows, expected.rows);
  ASSERT_EQ(found.mean.size(), dim);
  for (std::size_t i = 0; i < dim; ++i) {
    EXPECT_NEAR(found.mean[i], expected.mean[i], 1e-12 * std::abs(expected.mean[i]) + 1e-15);
  }
  EXPECT_NEAR(found.mean_squared_deviation, expected.mean_squared_deviation,
              1e-9 * expected.mean_squared_deviation);
}

TEST(Statistics, AreThoseOfTwoPasses) {
  expect_as_naive(random_rows(5000, 13, 0.02, 0.04), 13);
}

TEST(Statistics, LoseNothingToALargeCommonMean) {
  expect_as_naive(random_rows(5000, 7, 1e6, 1), 7);
}

TEST(Statistics, SpanSeveralBlocks) {
  expect_as_naive(random_rows(70'000, 32, 0.5, 0.1), 32);
}

TEST(Statistics, OfOneRowAreTheRow) {
  const auto source = in_memory({0.5f, -2}, 2);
  const auto found = statistics(*source);
  EXPECT_EQ(found.mean, (std::vector<double>{0.5, -2}));
  EXPECT_EQ(found.mean_squared_deviation, 0);
}

TEST(Statistics, OfEqualRowsHaveNoDeviation) {
  const auto source = in_memory(std::vector<float>(3000, 0.1f), 3);
  EXPECT_EQ(statistics(*source).mean_squared_deviation, 0);
}

TEST(Statistics, RefuseNaN) {
  auto values = random_rows(100, 4, 0, 1);
  values[57 * 4] = NAN;
  const auto source = in_memory(values, 4);
  EXPECT_THROW(statistics(*source), IoError);
}

}  // namespace
}  // namespace msae::data
