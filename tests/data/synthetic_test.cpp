#include "msae/data/synthetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "msae/data/statistics.h"

namespace msae::data {
namespace {

using ::testing::HasSubstr;

std::vector<float> read(SyntheticHierarchy& data, std::int64_t first, std::int64_t count) {
  std::vector<float> rows(static_cast<std::size_t>(count * data.dim()));
  data.read(first, count, rows);
  return rows;
}

double norm(const std::vector<double>& vector) {
  return std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0));
}

/// The generator as it is by default, drawn once.
class DefaultHierarchy : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    data_ = new SyntheticHierarchy;
    rows_ = read(*data_, 0, data_->rows());
  }
  static void TearDownTestSuite() {
    delete data_;
    rows_.clear();
  }

  static inline SyntheticHierarchy* data_ = nullptr;
  static inline std::vector<float> rows_;
};

TEST_F(DefaultHierarchy, HasUnitRows) {
  for (auto row = rows_.begin(); row != rows_.end(); row += data_->dim()) {
    ASSERT_NEAR(std::inner_product(row, row + data_->dim(), row, 0.0), 1, 1e-5);
  }
}

TEST_F(DefaultHierarchy, HasACommonMeanOfNorm07) {
  EXPECT_NEAR(norm(statistics(*data_).mean), 0.7, 0.02);
}

TEST_F(DefaultHierarchy, ActivatesAParentWheneverItsChildIs) {
  const auto& parent = data_->truth().parent;
  for (std::int64_t row = 0; row < data_->rows(); ++row) {
    const auto code = data_->code(row);
    std::vector<bool> active(parent.size());
    for (const auto node : code.concepts) {
      active[static_cast<std::size_t>(node)] = true;
      const auto above = parent[static_cast<std::size_t>(node)];
      ASSERT_TRUE(above < 0 || active[static_cast<std::size_t>(above)])
          << "row " << row << ", concept " << node;
    }
  }
}

TEST_F(DefaultHierarchy, ActivatesEachConceptAsOftenAsItSaysAndTwelveInAll) {
  const auto& truth = data_->truth();
  std::vector<double> count(truth.parent.size());
  for (std::int64_t row = 0; row < data_->rows(); ++row) {
    for (const auto node : data_->code(row).concepts) count[static_cast<std::size_t>(node)] += 1;
  }
  const auto n = static_cast<double>(data_->rows());
  EXPECT_NEAR(std::accumulate(count.begin(), count.end(), 0.0) / n, 12, 0.3);
  for (std::size_t node = 0; node < count.size(); ++node) {
    const double p = truth.frequency[node];
    EXPECT_NEAR(count[node] / n, p, 5 * std::sqrt(p * (1 - p) / n)) << node;
  }
}

TEST_F(DefaultHierarchy, CodesArePositiveAndAscending) {
  for (std::int64_t row = 0; row < 1000; ++row) {
    const auto code = data_->code(row);
    ASSERT_EQ(code.concepts.size(), code.amplitudes.size());
    EXPECT_TRUE(std::is_sorted(code.concepts.begin(), code.concepts.end()));
    for (const float amplitude : code.amplitudes) EXPECT_GT(amplitude, 0);
  }
}

/// What is left of a row without its concepts is (c + noise) / ||y||, with the same c for every row: a fit of
/// c and 1 / ||y|| leaves the noise.
TEST_F(DefaultHierarchy, RowsAreTheirConceptsAroundOneOffsetAndNoiseOf5PercentOfTheEnergy) {
  const auto dim = static_cast<std::size_t>(data_->dim());
  const auto& dictionary = data_->truth().dictionary;
  std::vector<double> rest(rows_.begin(), rows_.end());
  for (std::size_t row = 0; row < rest.size() / dim; ++row) {
    const auto code = data_->code(static_cast<std::int64_t>(row));
    for (std::size_t j = 0; j < code.concepts.size(); ++j) {
      const float* direction = dictionary.data() + static_cast<std::size_t>(code.concepts[j]) * dim;
      for (std::size_t i = 0; i < dim; ++i) rest[row * dim + i] -= code.amplitudes[j] * direction[i];
    }
  }
  std::vector<double> offset(dim);
  for (std::size_t i = 0; i < rest.size(); ++i) offset[i % dim] += rest[i];
  const double length = norm(offset);
  for (auto& value : offset) value /= length;

  double noise = 0;
  for (auto row = rest.begin(); row != rest.end(); row += static_cast<std::ptrdiff_t>(dim)) {
    const double along = std::inner_product(offset.begin(), offset.end(), row, 0.0);
    for (std::size_t i = 0; i < dim; ++i) {
      const double left = row[static_cast<std::ptrdiff_t>(i)] - along * offset[i];
      noise += left * left;
    }
  }
  const auto rows = static_cast<double>(rest.size() / dim);
  EXPECT_NEAR(noise / rows / statistics(*data_).mean_squared_deviation, 0.05, 0.01);
}

TEST_F(DefaultHierarchy, IsTheSameInAnyOrderOfReading) {
  SyntheticHierarchy again;
  const auto late = read(again, 15'000, 10);
  const auto early = read(again, 3, 2);
  EXPECT_TRUE(std::equal(late.begin(), late.end(), rows_.begin() + 15'000 * data_->dim()));
  EXPECT_TRUE(std::equal(early.begin(), early.end(), rows_.begin() + 3 * data_->dim()));
}

TEST(SyntheticHierarchy, IsAnotherWithAnotherSeed) {
  SyntheticHierarchy one({.seed = 1}), two({.seed = 2});
  EXPECT_NE(read(one, 0, 1), read(two, 0, 1));
  EXPECT_NE(one.truth().dictionary, two.truth().dictionary);
}

TEST(SyntheticHierarchy, HasMoreRowsWithoutChangingTheFirst) {
  SyntheticHierarchy few({.rows = 10}), many({.rows = 1000});
  EXPECT_EQ(read(few, 0, 10), read(many, 0, 10));
}

TEST(SyntheticHierarchy, HasTheMeanNormAndTheNoiseThatAreAskedFor) {
  const std::vector<SyntheticOptions> all{
      {.rows = 5000, .mean_norm = 0.3, .noise = 0.4},
      {.rows = 5000, .mean_norm = 0.95, .noise = 0},
      {.rows = 5000, .dim = 8, .concepts = 16, .depth = 2, .active = 3, .mean_norm = 0.5},
      {.rows = 5000, .dim = 3, .concepts = 4, .depth = 1, .active = 2},
      {.rows = 2000, .dim = 256, .concepts = 1000, .depth = 4, .branching = 3, .active = 30, .zipf = 0.5}};
  for (const auto& options : all) {
    SyntheticHierarchy data(options);
    EXPECT_NEAR(norm(statistics(data).mean), options.mean_norm, 0.03) << "dim " << options.dim;
  }
}

TEST(SyntheticHierarchy, HasNoRowBeyondItsLast) {
  const SyntheticHierarchy data({.rows = 10});
  EXPECT_NO_THROW(data.code(9));
  EXPECT_THROW(data.code(10), std::invalid_argument);
  EXPECT_THROW(data.code(-1), std::invalid_argument);
}

std::string refusal(const SyntheticOptions& options) {
  try {
    SyntheticHierarchy data(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SyntheticOptions, RefusesNonsenseByFieldAndValue) {
  EXPECT_EQ(refusal({.rows = 0}), "rows: must be at least 1, not 0");
  EXPECT_EQ(refusal({.dim = 2}), "dim: must be at least 3, not 2");
  EXPECT_EQ(refusal({.concepts = -5}), "concepts: must be at least 1, not -5");
  EXPECT_EQ(refusal({.concepts = 20'000'000}), "concepts: must be at most 10000000, not 20000000");
  EXPECT_EQ(refusal({.depth = 0}), "depth: must be at least 1, not 0");
  EXPECT_EQ(refusal({.concepts = 2, .depth = 3}), "depth: must be at most the number of concepts, 2, not 3");
  EXPECT_EQ(refusal({.branching = 0}), "branching: must be at least 1, not 0");
  EXPECT_EQ(refusal({.active = 0}), "active: must be above 0, not 0");
  EXPECT_EQ(refusal({.active = INFINITY}), "active: must be finite, not inf");
  EXPECT_EQ(refusal({.zipf = -1}), "zipf: must be between 0 and 10, not -1");
  EXPECT_EQ(refusal({.parent_cosine = 1}), "parent_cosine: must be at least 0 and below 1, not 1");
  EXPECT_EQ(refusal({.mean_norm = 1.5}), "mean_norm: must be at least 0 and below 1, not 1.5");
  EXPECT_EQ(refusal({.noise = NAN}), "noise: must be at least 0 and below 1, not nan");
  EXPECT_THAT(refusal({.active = 300}),
              testing::AllOf(testing::StartsWith("active: must be at most "), HasSubstr("256 concepts"),
                             testing::EndsWith("not 300")));
}

}  // namespace
}  // namespace msae::data
