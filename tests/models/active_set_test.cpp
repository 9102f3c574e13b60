// Least squares on latents that come and go, beside what Eigen makes of them from scratch.
#include "models/active_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <set>

#include "kernels/naive.h"
#include "models/naive_codes.h"

namespace msae::models {
namespace {

using kernels::test::Random;
using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

Matrix some_rows(std::int64_t rows, std::int64_t dim, double common, Random& random) {
  Matrix matrix(rows, dim);
  for (std::int64_t i = 0; i < matrix.size(); ++i) matrix.data()[i] = random.number() + common;
  return matrix;
}

Vector vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Vector>(values.data(), static_cast<std::int64_t>(values.size()));
}

Matrix matrix_of(std::int64_t dim, const std::vector<double>& values) {
  return Eigen::Map<const Matrix>(values.data(), static_cast<std::int64_t>(values.size()) / dim, dim);
}

test::Numbers numbers_of(const Vector& vector) {
  return {vector.data(), vector.data() + vector.size()};
}

/// An ActiveSet, and the decoder rows and the target that it is for.
class Trial {
 public:
  Trial(Matrix decoder, Vector target, bool any_sign)
      : set(any_sign, 1e-9, /*expected=*/20), decoder_(std::move(decoder)), target_(std::move(target)) {}

  ActiveSet set;

  bool add(std::int32_t latent) {
    return set.add(latent, correlation(latent), decoder_.row(latent).squaredNorm(), products(latent));
  }
  bool push(std::int32_t latent) {
    return set.push(latent, correlation(latent), decoder_.row(latent).squaredNorm(), products(latent));
  }
  Vector residual() const {
    Vector left = target_;
    for (std::size_t i = 0; i < set.size(); ++i) {
      left -= set.values()[i] * decoder_.row(set.members()[i]).transpose();
    }
    return left;
  }
  double gain(std::int32_t latent) const { return decoder_.row(latent).dot(residual()); }
  std::set<std::int32_t> members() const { return {set.members().begin(), set.members().end()}; }

  // The values are those of least squares, none of them negative unless they may be.
  void expect_solved(bool any_sign) const {
    Matrix rows(static_cast<std::int64_t>(set.size()), decoder_.cols());
    for (std::size_t i = 0; i < set.size(); ++i) {
      rows.row(static_cast<std::int64_t>(i)) = decoder_.row(set.members()[i]);
    }
    if (set.size() == 0) return;
    const Vector values = rows.transpose().colPivHouseholderQr().solve(target_);
    for (std::size_t i = 0; i < set.size(); ++i) {
      ASSERT_NEAR(set.values()[i], values[static_cast<std::int64_t>(i)], 1e-8);
      ASSERT_TRUE(any_sign || set.values()[i] > 0);
    }
    ASSERT_NEAR(set.explained(), target_.squaredNorm() - residual().squaredNorm(), 1e-9);
  }

 private:
  double correlation(std::int32_t latent) const { return decoder_.row(latent).dot(target_); }
  std::vector<double> products(std::int32_t latent) const {
    std::vector<double> all;
    for (const auto member : set.members()) all.push_back(decoder_.row(latent).dot(decoder_.row(member)));
    return all;
  }

  Matrix decoder_;
  Vector target_;
};

TEST(ActiveSet, SolvesLeastSquaresAfterEveryLatentThatComesOrGoes) {
  std::size_t departures = 0, refusals = 0, several_at_once = 0;
  for (const double common : {0.0, 0.3, 1.0}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      Random random(seed);
      constexpr std::int32_t latents = 60, dim = 40;
      Trial trial(some_rows(latents, dim, common, random), some_rows(dim, 1, common, random), false);
      double explained = 0;
      for (int i = 0; i < 150; ++i) {
        const auto latent = static_cast<std::int32_t>(random.below(latents));
        const auto before = trial.members();
        if (before.count(latent) != 0) continue;
        const auto gain = trial.gain(latent);
        auto expected = before;
        if (!trial.add(latent)) {
          ++refusals;
          ASSERT_LE(gain, 1e-9);
          ASSERT_EQ(trial.members(), before);
        } else {
          ASSERT_GT(gain, 0);
          ASSERT_GT(trial.set.explained(), explained);
          expected.insert(latent);
          for (const auto gone : trial.set.left()) ASSERT_EQ(expected.erase(gone), 1);
          ASSERT_EQ(trial.members(), expected);
          departures += trial.set.left().size();
          if (trial.set.left().size() > 1) ++several_at_once;
        }
        explained = trial.set.explained();
        ASSERT_NO_FATAL_FAILURE(trial.expect_solved(false));
      }
      ASSERT_GT(trial.set.size(), 0u);
    }
  }
  EXPECT_GT(departures, 200u);
  EXPECT_GT(several_at_once, 10u);
  EXPECT_GT(refusals, 200u);
}

TEST(ActiveSet, OfAnySignKeepsAll) {
  Random random(1);
  constexpr std::int32_t latents = 30;
  Trial trial(some_rows(latents, latents, 0.5, random), some_rows(latents, 1, 0, random), true);
  for (std::int32_t i = 0; i < latents; ++i) {
    ASSERT_TRUE(trial.add(i));
    ASSERT_THAT(trial.set.left(), IsEmpty());
    ASSERT_EQ(trial.set.size(), static_cast<std::size_t>(i + 1));
    if (i < latents - 2) {  // beyond, the last values are as large as the rounding
      ASSERT_NO_FATAL_FAILURE(trial.expect_solved(true));
    }
  }
  EXPECT_TRUE(
      std::any_of(trial.set.values().begin(), trial.set.values().end(), [](double v) { return v < 0; }));
  EXPECT_NEAR(trial.residual().norm(), 0, 1e-9);
}

// What its way finds in the end has no better among all subsets.
TEST(ActiveSet, EndsAtNonNegativeLeastSquares) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    constexpr std::int32_t latents = 9, dim = 12;
    const auto decoder = some_rows(latents, dim, 0.7, random);
    const Vector target = some_rows(dim, 1, 0.7, random);
    for (const bool at_once : {false, true}) {
      Trial trial(decoder, target, false);
      if (at_once) {
        for (std::int32_t i = 0; i < latents; ++i) ASSERT_TRUE(trial.push(i));
        trial.set.settle();
        ASSERT_EQ(trial.set.left().size() + trial.set.size(), static_cast<std::size_t>(latents));
        ASSERT_NO_FATAL_FAILURE(trial.expect_solved(false));
      }
      for (bool changes = true; changes;) {
        changes = false;
        for (std::int32_t i = 0; i < latents; ++i) {
          if (trial.members().count(i) == 0 && trial.gain(i) > 1e-12) changes = trial.add(i) || changes;
        }
      }
      std::vector<test::Numbers> rows(latents);
      std::vector<std::size_t> all;
      for (std::int32_t i = 0; i < latents; ++i) {
        rows[static_cast<std::size_t>(i)] = numbers_of(decoder.row(i));
        all.push_back(static_cast<std::size_t>(i));
      }
      const auto best = test::non_negative(rows, numbers_of(target), all);
      const std::set<std::int32_t> expected(best.latents.begin(), best.latents.end());
      ASSERT_LT(expected.size(), static_cast<std::size_t>(latents));
      ASSERT_EQ(trial.members(), expected) << "seed " << seed;
    }
  }
}

TEST(ActiveSet, RefusesSumsOfItsMembersAndStaysAsItIs) {
  const std::vector<double> decoder{1, 0, 0,    0,   //
                                    0, 2, 0,    0,   //
                                    1, 2, 0,    0,   // their sum
                                    0, 0, 0,    0,   //
                                    1, 2, 1e-6, 0};  // but for rounding
  Trial trial(matrix_of(4, decoder), vector_of({3, 4, 5, 0}), false);
  ASSERT_TRUE(trial.add(0));
  ASSERT_TRUE(trial.add(1));
  for (const std::int32_t dependent : {2, 3, 4}) {
    EXPECT_FALSE(trial.add(dependent)) << dependent;
    EXPECT_FALSE(trial.push(dependent)) << dependent;
    EXPECT_THAT(trial.set.members(), ElementsAre(0, 1));
    EXPECT_THAT(trial.set.values(), ElementsAre(3.0, 2.0));
    EXPECT_EQ(trial.set.explained(), 25);
  }
}

TEST(ActiveSet, RefusesWhatWouldBeNegative) {
  Trial trial(matrix_of(2, {1, 0, 1, -1, 1, 1}), vector_of({2, 1}), false);
  ASSERT_TRUE(trial.add(0));
  EXPECT_FALSE(trial.add(1));
  EXPECT_THAT(trial.set.values(), ElementsAre(2.0));
  EXPECT_TRUE(trial.add(2));
  EXPECT_THAT(trial.set.values(), ElementsAre(1.0, 1.0));
}

// The first member has nothing to do with it.
TEST(ActiveSet, AMemberWhoseValueIsExactlyZeroLeavesAlone) {
  Trial trial(matrix_of(3, {0, 0, 1, 1, 0, 0, 1, 1, 0}), vector_of({1, 1, 1}), false);
  ASSERT_TRUE(trial.add(0));
  ASSERT_TRUE(trial.add(1));
  ASSERT_TRUE(trial.add(2));
  EXPECT_THAT(trial.set.left(), ElementsAre(1));
  EXPECT_THAT(trial.set.members(), ElementsAre(0, 2));
  EXPECT_THAT(trial.set.values(), ElementsAre(DoubleEq(1.0), DoubleEq(1.0)));
}

TEST(ActiveSet, RemembersNothingOfWhatItForgot) {
  Random random(3);
  const auto decoder = some_rows(40, 40, 0.4, random);
  const auto target = some_rows(40, 1, 0.4, random);
  Trial used(decoder, target, false), fresh(decoder, target, false);
  for (std::int32_t i = 39; i >= 0; --i) used.add(i);
  used.set.clear();
  EXPECT_EQ(used.set.size(), 0u);
  EXPECT_EQ(used.set.explained(), 0);
  for (std::int32_t i = 0; i < 40; ++i) {
    ASSERT_EQ(used.add(i), fresh.add(i));
    ASSERT_THAT(used.set.values(), ::testing::ElementsAreArray(fresh.set.values()));
  }
}

}  // namespace
}  // namespace msae::models
