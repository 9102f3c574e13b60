#include "msae/concepts/bias.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "concepts/small_codes.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::place;
using testing::HasSubstr;

using Flags = std::vector<std::uint8_t>;

Flags some_flags(std::int64_t rows, double share, std::uint64_t seed) {
  data::Random random(seed);
  Flags flags;
  for (std::int64_t i = 0; i < rows; ++i) flags.push_back(random.uniform() < share);
  flags.front() = 1;
  flags.back() = 0;
  return flags;
}

/// Every pair of a row with and a row without, each row as often as `times` says.
double plain_auc(const std::vector<double>& scores, const Flags& flags, const std::vector<int>& times = {}) {
  double wins = 0, pairs = 0;
  for (std::size_t a = 0; a < scores.size(); ++a) {
    for (std::size_t b = 0; b < scores.size(); ++b) {
      if (flags[a] != 1 || flags[b] != 0) continue;
      const double weight = times.empty() ? 1 : times[a] * times[b];
      wins += weight * (scores[a] > scores[b] ? 1 : scores[a] == scores[b] ? 0.5 : 0);
      pairs += weight;
    }
  }
  return wins / pairs;
}

std::vector<double> column_of(const Codes& codes, std::int64_t latent) {
  const auto values = test::dense_of(codes).select(1, latent).to(torch::kFloat64).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

TEST(AreaUnderRoc, CountsPairs) {
  for (const std::int64_t rows : {2, 3, 17, 101}) {
    for (const int values : {1, 2, 7, 1000}) {  // that scores may have: few of them tie
      const auto flags = some_flags(rows, 0.4, static_cast<std::uint64_t>(rows));
      data::Random random(7);
      std::vector<double> scores;
      for (std::int64_t i = 0; i < rows; ++i) {
        scores.push_back(std::floor(random.uniform() * values) - values / 2);
      }
      EXPECT_NEAR(area_under_roc(scores, flags), plain_auc(scores, flags), 1e-12) << rows << ", " << values;
    }
  }
  EXPECT_EQ(area_under_roc(std::vector<double>{1, 2, 3}, Flags{0, 0, 1}), 1);
  EXPECT_EQ(area_under_roc(std::vector<double>{1, 2, 3}, Flags{1, 0, 0}), 0);
}

std::vector<double> members(const std::vector<double>& values, const Flags& flags, std::uint8_t which) {
  std::vector<double> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (flags[i] == which) result.push_back(values[i]);
  }
  return result;
}

double plain_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const auto value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double squares_around_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const auto value : values) sum += std::pow(value - plain_mean(values), 2);
  return sum;
}

double plain_share(const std::vector<double>& values) {
  return 1 - static_cast<double>(std::count(values.begin(), values.end(), 0.0)) /
                 static_cast<double>(values.size());
}

/// Mann and Whitney's U is normal, of the variance n m / 12 (N + 1 - sum of t^3 - t / (N (N - 1))).
double plain_p(const std::vector<double>& values, const Flags& flags) {
  const auto n = static_cast<double>(members(values, flags, 1).size());
  const auto m = static_cast<double>(members(values, flags, 0).size());
  auto sorted = values;
  std::sort(sorted.begin(), sorted.end());
  double ties = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    const auto t = static_cast<double>(std::count(sorted.begin(), sorted.end(), sorted[i]));
    ties += t * t * t - t;
    i += static_cast<std::size_t>(t);
  }
  const auto variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)));
  if (variance <= 1e-12) return 1;
  const auto z = (plain_auc(values, flags) * n * m - n * m / 2) / std::sqrt(variance);
  return std::erfc(std::abs(z) / std::sqrt(2.0));
}

void expect_difference(const GroupDifference& found, const std::vector<double>& values, const Flags& flags) {
  const auto with = members(values, flags, 1), without = members(values, flags, 0);
  EXPECT_NEAR(found.active_with, plain_share(with), 1e-12);
  EXPECT_NEAR(found.active_without, plain_share(without), 1e-12);
  EXPECT_NEAR(found.mean_with, plain_mean(with), 1e-12);
  EXPECT_NEAR(found.mean_without, plain_mean(without), 1e-12);
  EXPECT_NEAR(found.auc, plain_auc(values, flags), 1e-12);
  EXPECT_NEAR(found.p, plain_p(values, flags), 1e-9);
  const auto freedom = static_cast<double>(values.size()) - 2;
  const auto pooled = std::sqrt((squares_around_mean(with) + squares_around_mean(without)) / freedom);
  if (freedom > 0 && pooled > 0) {
    EXPECT_NEAR(found.effect, (plain_mean(with) - plain_mean(without)) / pooled, 1e-9);
  }
  EXPECT_LE(found.auc_low, found.auc_high);
  EXPECT_GE(found.auc_low, 0);
  EXPECT_LE(found.auc_high, 1);
}

TEST(CompareGroups, IsWhatPlainFormulasSay) {
  for (const bool negative : {false, true}) {
    for (const auto& drawn : {test::Drawn{.rows = 2, .latents = 3}, test::Drawn{.rows = 3, .latents = 2},
                              test::Drawn{.rows = 37, .latents = 11, .most = 5},
                              test::Drawn{.rows = 101, .latents = 6, .most = 12}}) {
      auto with_sign = drawn;
      with_sign.negative = negative;
      const auto codes = test::random_codes(with_sign);
      const auto flags = some_flags(drawn.rows, 0.3, 5);
      const auto found = compare_groups(codes, flags, {.resamples = 20});
      ASSERT_EQ(static_cast<std::int64_t>(found.size()), drawn.latents);
      for (std::int64_t latent = 0; latent < drawn.latents; ++latent) {
        SCOPED_TRACE("latent " + std::to_string(latent) + " on " + std::to_string(drawn.rows) + " rows");
        const auto& own = found[place(latent)];
        const auto values = column_of(codes, latent);
        EXPECT_EQ(own.latent, latent);
        EXPECT_EQ(own.rows, std::count_if(values.begin(), values.end(), [](double v) { return v != 0; }));
        expect_difference(own, values, flags);
      }
    }
  }
}

// The ages of Mann and Whitney's test in SciPy's documentation: U is 17 of 20.
TEST(CompareGroups, AgreesWithAPublishedExample) {
  const auto codes =
      test::codes_of(torch::tensor({19.0, 22.0, 16.0, 29.0, 24.0, 20.0, 11.0, 17.0, 12.0}).unsqueeze(1));
  const auto found = compare_groups(codes, Flags{1, 1, 1, 1, 1, 0, 0, 0, 0})[0];
  EXPECT_NEAR(found.auc, 17.0 / 20, 1e-12);
  // z = 7 / sqrt(5 * 4 * 10 / 12) = 1.71464; without the correction for continuity that SciPy takes
  EXPECT_NEAR(found.p, 0.0864107, 1e-6);
  // means 22 and 15, sums of squares around them 98 and 54
  EXPECT_NEAR(found.effect, 7 / std::sqrt(152.0 / 7), 1e-12);
  EXPECT_EQ(found.active_with, 1);
}

TEST(CompareGroups, ByHandWithTies) {
  // with: 0, 1, 1; without: 0, 0, 1: wins 2 * (2 + 1/2) + (2 / 2) = 6 of 9
  const auto codes = test::codes_of(torch::tensor({0.0, 1.0, 1.0, 0.0, 0.0, 1.0}).unsqueeze(1));
  const auto found = compare_groups(codes, Flags{1, 1, 1, 0, 0, 0})[0];
  EXPECT_NEAR(found.auc, 6.0 / 9, 1e-12);
  // two ties of three: variance 9 / 12 * (7 - 48 / 30) = 4.05, z = 1.5 / 2.01246 = 0.745356
  EXPECT_NEAR(found.p, std::erfc(0.745356 / std::sqrt(2.0)), 1e-6);
  EXPECT_EQ(found.rows, 3);
}

TEST(CompareGroups, OfALatentThatIsNowhereOrAllTheSame) {
  auto dense = torch::zeros({6, 3});
  dense.select(1, 1).fill_(0.5);
  dense.select(1, 2).slice(0, 0, 3).fill_(0.5);
  const auto found = compare_groups(test::codes_of(dense), Flags{1, 1, 1, 0, 0, 0}, {.resamples = 30});
  for (const std::size_t latent : {0, 1}) {
    EXPECT_EQ(found[latent].auc, 0.5);
    EXPECT_EQ(found[latent].auc_low, 0.5);
    EXPECT_EQ(found[latent].auc_high, 0.5);
    EXPECT_EQ(found[latent].p, 1);
    EXPECT_EQ(found[latent].q, 1);
    EXPECT_EQ(found[latent].effect, 0);
  }
  EXPECT_EQ(found[0].rows, 0);
  EXPECT_EQ(found[0].mean_with, 0);
  EXPECT_EQ(found[2].auc, 1);
  EXPECT_EQ(found[2].auc_low, 1);
  EXPECT_EQ(found[2].effect, INFINITY) << "groups without any spread";
}

TEST(CompareGroups, ControlsFalseDiscoveries) {
  const auto codes = test::random_codes({.rows = 101, .latents = 40, .most = 20});
  const auto found = compare_groups(codes, some_flags(101, 0.4, 3), {.resamples = 1});
  const auto active = std::count_if(found.begin(), found.end(), [](const auto& own) { return own.rows > 0; });
  EXPECT_LT(active, 40);
  for (const auto& own : found) {
    if (own.rows == 0) {
      EXPECT_EQ(own.q, 1) << "no test at all";
      continue;
    }
    // the least p of those no smaller, times how many there are over how many are no larger
    double least = 1;
    for (const auto& other : found) {
      if (other.rows == 0 || other.p < own.p) continue;
      const auto rank = std::count_if(found.begin(), found.end(), [&](const auto& third) {
        return third.rows > 0 && third.p <= other.p;
      });
      least = std::min(least, other.p * static_cast<double>(active) / static_cast<double>(rank));
    }
    EXPECT_NEAR(own.q, least, 1e-12);
    EXPECT_GE(own.q, own.p);
  }
}

double plain_quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at), above = std::min(below + 1, values.size() - 1);
  const auto rest = at - std::floor(at);
  return values[below] * (1 - rest) + values[above] * rest;
}

TEST(CompareGroups, DrawsRowsWithinTheGroupsForTheInterval) {
  for (const bool negative : {false, true}) {
    const auto codes = test::random_codes({.rows = 41, .latents = 7, .most = 6, .negative = negative});
    const auto flags = some_flags(41, 0.3, 9);
    for (const std::int64_t resamples : {1, 2, 33}) {
      const GroupOptions options{.resamples = resamples, .confidence = 0.8, .seed = 77};
      const auto found = compare_groups(codes, flags, options);
      std::vector<std::vector<int>> times;  // the same draws: first of those without
      for (std::int64_t r = 0; r < resamples; ++r) {
        data::Random random(data::mix(options.seed, static_cast<std::uint64_t>(r)));
        auto& own = times.emplace_back(41);
        for (const bool which : {false, true}) {
          std::vector<std::size_t> group;
          for (std::size_t i = 0; i < flags.size(); ++i) {
            if (flags[i] == which) group.push_back(i);
          }
          for (std::size_t i = 0; i < group.size(); ++i) {
            ++own[group[static_cast<std::size_t>(random.uniform() * static_cast<double>(group.size()))]];
          }
        }
      }
      for (std::int64_t latent = 0; latent < 7; ++latent) {
        const auto values = column_of(codes, latent);
        std::vector<double> aucs;
        for (const auto& own : times) aucs.push_back(plain_auc(values, flags, own));
        EXPECT_NEAR(found[place(latent)].auc_low, plain_quantile(aucs, 0.1), 1e-12);
        EXPECT_NEAR(found[place(latent)].auc_high, plain_quantile(aucs, 0.9), 1e-12);
      }
    }
  }
}

// Groups of 60 rows, one of them half a deviation above the other: the area is Phi(0.5 / sqrt(2)).
TEST(CompareGroups, HaveIntervalsThatMostlyHoldTheTruth) {
  const auto truth = 0.5 * std::erfc(-0.5 / 2);
  Flags flags(120);
  std::fill_n(flags.begin(), 60, std::uint8_t{1});
  auto dense = test::random({120, 200}, 4, torch::kFloat32);
  dense.slice(0, 0, 60) += 0.5;
  const auto found = compare_groups(test::codes_of(dense), flags, {.resamples = 200, .confidence = 0.9});
  std::int64_t held = 0;
  for (const auto& own : found) {
    held += own.auc_low <= truth && truth <= own.auc_high;
    EXPECT_LE(own.auc_low, own.auc);
    EXPECT_GE(own.auc_high, own.auc);
  }
  EXPECT_GE(held, 160) << "of 200, 180 expected";
  EXPECT_LE(held, 197);
}

TEST(CompareGroups, IsTheSameOfTheSameSeedWhateverTheThreads) {
  const auto codes = test::random_codes({.rows = 101, .latents = 30, .most = 9});
  const auto flags = some_flags(101, 0.5, 2);
  const auto told = [&](int threads, std::uint64_t seed) {
    const test::Threads with(threads);
    std::vector<double> numbers;
    for (const auto& own : compare_groups(codes, flags, {.resamples = 50, .seed = seed})) {
      numbers.insert(numbers.end(), {own.auc, own.auc_low, own.auc_high, own.p, own.q, own.effect});
    }
    return numbers;
  };
  const auto alone = told(1, 1);
  EXPECT_EQ(told(1, 1), alone);
  EXPECT_EQ(told(3, 1), alone);
  EXPECT_NE(told(1, 2), alone);
}

TEST(CompareGroups, RefusesTheImpossible) {
  const auto codes = test::random_codes({.rows = 4, .latents = 3});
  const auto said = [&](const Flags& flags, const GroupOptions& options = {}) {
    return error_of<std::invalid_argument>([&] { compare_groups(codes, flags, options); });
  };
  EXPECT_EQ(said({0, 1, 0, 1}), "no error");
  EXPECT_THAT(said({0, 1, 0}), HasSubstr("attribute: 3 values for 4 rows"));
  EXPECT_THAT(said({}), HasSubstr("attribute: 0 values for 4 rows"));
  EXPECT_THAT(said({0, 1, 2, 1}), HasSubstr("attribute: values are 0 or 1, but that of row 2 is 2"));
  EXPECT_THAT(said({0, 0, 0, 0}), HasSubstr("attribute: no row has it"));
  EXPECT_THAT(said({1, 1, 1, 1}), HasSubstr("attribute: no row lacks it"));
  EXPECT_THAT(said({0, 1, 0, 1}, {.resamples = 0}), HasSubstr("resamples: must be at least 1, not 0"));
  for (const double confidence : {0.0, 1.0, double{NAN}}) {
    EXPECT_THAT(said({0, 1, 0, 1}, {.confidence = confidence}),
                HasSubstr("confidence: must be between 0 and 1"));
  }
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                area_under_roc(std::vector<double>{1, 2}, Flags{1, 1});
              }),
              HasSubstr("no row lacks it"));
}

}  // namespace
}  // namespace msae::concepts
