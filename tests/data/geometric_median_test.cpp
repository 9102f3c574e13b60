#include "msae/data/geometric_median.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <string>

#include "data/hdf5_file.h"
#include "msae/core/error.h"
#include "msae/data/statistics.h"
#include "support/error_of.h"

namespace msae::data {
namespace {

using testing::HasSubstr;

const hdf5::File& published() {
  static const auto file = hdf5::File::open(MSAE_TEST_DATA "/comparisons.h5");
  return file;
}

std::unique_ptr<EmbeddingSource> published_rows(const std::string& name) {
  const auto path = "geometric_median/" + name + "/x";
  return in_memory(published().read<float>(path),
                   static_cast<std::int64_t>(published().data_set(path).info().shape[1]));
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

std::vector<float> normal(std::size_t count, float offset = 0) {
  std::mt19937 random(1);
  std::normal_distribution<float> distribution(offset);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

/// The sum of distances that a median makes least.
double objective(const std::vector<float>& values, const std::vector<double>& centre) {
  double sum = 0;
  for (std::size_t at = 0; at < values.size(); at += centre.size()) {
    double squares = 0;
    for (std::size_t i = 0; i < centre.size(); ++i) squares += std::pow(values[at + i] - centre[i], 2);
    sum += std::sqrt(squares);
  }
  return sum;
}

TEST(GeometricMedian, IsThePublishedOne) {
  for (const std::string name : {"plain", "outliers", "f64", "point_at_mean", "majority_at_one_point"}) {
    const auto stored = published().read<double>("geometric_median/" + name + "/median");
    EXPECT_LE(largest_difference(geometric_median(*published_rows(name)), stored), 1e-6) << name;
  }
}

TEST(GeometricMedian, IsThePublishedOneOfASmallTolerance) {
  for (const std::string name : {"plain", "outliers", "f64", "point_at_mean"}) {
    const auto stored = published().read<double>("geometric_median/" + name + "/median_eps_1e-8");
    const auto found = geometric_median(*published_rows(name), {.tolerance = 1e-8});
    EXPECT_LE(largest_difference(found, stored), 1e-6) << name;
  }
}

TEST(GeometricMedian, IsWhereNoStepAsideIsBetter) {
  const auto values = normal(300, 100);
  const auto source = in_memory(values, 6);
  const auto median = geometric_median(*source, {.tolerance = 1e-9});
  const double least = objective(values, median);
  EXPECT_LT(least, objective(values, statistics(*source).mean));
  for (std::size_t i = 0; i < 6; ++i) {
    for (const double aside : {-1e-3, 1e-3}) {
      auto other = median;
      other[i] += aside;
      EXPECT_GT(objective(values, other), least);
    }
  }
}

TEST(GeometricMedian, OfOneColumnIsTheMedian) {
  EXPECT_NEAR(geometric_median(*in_memory({1, 2, 3, 4, 1000}, 1))[0], 3, 1e-4);
  EXPECT_NEAR(geometric_median(*in_memory({5}, 1))[0], 5, 0);
}

TEST(GeometricMedian, OfMostlyOneRowIsThatRow) {
  const auto median = geometric_median(*in_memory({1, 2, 1, 2, 1, 2, 30, 40, -50, 60}, 2));
  EXPECT_NEAR(median[0], 1, 2e-5);
  EXPECT_NEAR(median[1], 2, 2e-5);
  EXPECT_EQ(geometric_median(*in_memory({7, 7, 7, 7}, 2)), (std::vector<double>{7, 7}));
}

TEST(GeometricMedian, IsNotHeldByARowAtTheMean) {
  // The mean of these is (0, 0), itself a row, but the median is among the three at the right.
  const std::vector<float> values{0, 0, 1, 0.1f, 1, -0.1f, 1, 0, -3, 0};
  const auto median = geometric_median(*in_memory(values, 2), {.tolerance = 1e-7});
  EXPECT_LT(objective(values, median), objective(values, {0, 0}) - 0.5);
  EXPECT_NEAR(median[0], 1, 0.1);
}

TEST(GeometricMedian, DoesNotFollowOutliers) {
  auto values = normal(400);
  const auto clean = geometric_median(*in_memory(values, 4));
  for (std::size_t i = 0; i < 20; ++i) values[i] = 1e6f;
  EXPECT_LE(largest_difference(geometric_median(*in_memory(values, 4)), clean), 0.3);
}

TEST(GeometricMedian, MovesWithTheRows) {
  auto values = normal(300);
  const auto median = geometric_median(*in_memory(values, 5), {.tolerance = 1e-8});
  for (float& value : values) value = 2 * value + 1;
  auto moved = geometric_median(*in_memory(values, 5), {.tolerance = 2e-8});
  for (double& value : moved) value = (value - 1) / 2;
  EXPECT_LE(largest_difference(moved, median), 1e-6);
}

TEST(GeometricMedian, DoesNotDependOnTheOrderOfRows) {
  const auto values = normal(300);
  const std::vector<float> backwards(values.rbegin(), values.rend());  // columns backwards, too
  auto found = geometric_median(*in_memory(backwards, 3));
  std::reverse(found.begin(), found.end());
  EXPECT_LE(largest_difference(found, geometric_median(*in_memory(values, 3))), 1e-12);
}

TEST(GeometricMedian, ReportsProgressThatMayStopIt) {
  const auto source = in_memory(normal(300), 3);
  std::vector<double> shares;
  geometric_median(*source, {}, [&](double share) { shares.push_back(share); });
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_GT(shares.front(), 0);
  EXPECT_EQ(shares.back(), 1);
  const auto stop = [](double) { throw std::runtime_error("stopped"); };
  EXPECT_EQ(test::error_of([&] { geometric_median(*source, {}, stop); }), "stopped");
}

TEST(GeometricMedian, TakesNoMoreStepsThanAllowed) {
  const auto values = normal(30);
  int passes = 0;
  geometric_median(*in_memory(values, 3), {.tolerance = 1e-300, .iterations = 4}, [&](double) { ++passes; });
  EXPECT_EQ(passes, 1 + 4 + 1) << "the mean, the steps, the end";
}

TEST(GeometricMedian, RefusesWhatIsImpossible) {
  const auto source = in_memory({1, 2}, 1);
  const auto refusal = [&](const GeometricMedianOptions& options) {
    return test::error_of<std::invalid_argument>([&] { geometric_median(*source, options); });
  };
  EXPECT_THAT(refusal({.tolerance = 0}), HasSubstr("tolerance: must be a positive number"));
  EXPECT_THAT(refusal({.tolerance = NAN}), HasSubstr("tolerance: "));
  EXPECT_THAT(refusal({.tolerance = INFINITY}), HasSubstr("tolerance: "));
  EXPECT_THAT(refusal({.iterations = 0}), HasSubstr("iterations: must be at least 1, not 0"));
  const auto damaged = in_memory({1, NAN}, 1);
  EXPECT_THROW(geometric_median(*damaged), IoError);
}

}  // namespace
}  // namespace msae::data
