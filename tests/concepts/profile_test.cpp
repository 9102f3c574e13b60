#include "msae/concepts/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "concepts/small_codes.h"
#include "io/random_model.h"
#include "support/error_of.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::place;
using test::random_codes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// [rows][latents], as plain as can be.
using Matrix = std::vector<std::vector<float>>;

Matrix matrix_of(const Codes& codes) {
  Matrix matrix(place(codes.rows), std::vector<float>(place(codes.latents)));
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (std::size_t i = 0; i < codes.latents_of(row).size(); ++i) {
      matrix[place(row)][place(codes.latents_of(row)[i])] = codes.values_of(row)[i];
    }
  }
  return matrix;
}

/// One and those of its row that are larger, or as large and before it.
std::int64_t rank_in_row(const std::vector<float>& row, std::size_t latent) {
  std::int64_t rank = 1;
  for (std::size_t other = 0; other < row.size(); ++other) {
    const auto mine = std::abs(row[latent]), its = std::abs(row[other]);
    if (its > mine || (its == mine && other < latent)) ++rank;
  }
  return rank;
}

void expect_profile(const LatentProfile& found, const Matrix& matrix, std::size_t latent, std::int64_t most) {
  std::vector<TopRow> all;
  std::vector<std::int64_t> ranks;
  double sum = 0;
  float maximum = 0;
  for (std::size_t row = 0; row < matrix.size(); ++row) {
    const auto value = matrix[row][latent];
    if (value == 0) continue;
    all.push_back({static_cast<std::int64_t>(row), value});
    ranks.push_back(rank_in_row(matrix[row], latent));
    sum += std::abs(value);
    maximum = std::max(maximum, std::abs(value));
  }
  std::sort(ranks.begin(), ranks.end());
  std::stable_sort(all.begin(), all.end(),
                   [](auto a, auto b) { return std::abs(a.value) > std::abs(b.value); });
  const auto count = static_cast<double>(all.size());
  EXPECT_EQ(found.rows, static_cast<std::int64_t>(all.size()));
  EXPECT_EQ(found.frequency, count / static_cast<double>(matrix.size()));
  EXPECT_NEAR(found.mean, all.empty() ? 0 : sum / count, 1e-12);
  EXPECT_EQ(found.maximum, maximum);
  EXPECT_EQ(found.rank, ranks.empty() ? 0 : static_cast<double>(ranks[(ranks.size() - 1) / 2]));
  ASSERT_EQ(found.top.size(), std::min(all.size(), place(most)));
  for (std::size_t i = 0; i < found.top.size(); ++i) {
    EXPECT_EQ(found.top[i].row, all[i].row);
    EXPECT_EQ(found.top[i].value, all[i].value);
  }
}

std::vector<Companion> plain_companions(const Matrix& matrix, std::size_t latent) {
  std::vector<Companion> all;
  for (std::size_t other = 0; other < matrix.front().size(); ++other) {
    double own = 0, its = 0, both = 0;
    for (const auto& row : matrix) {
      own += row[latent] != 0;
      its += row[other] != 0;
      both += row[latent] != 0 && row[other] != 0;
    }
    const auto lift = both * static_cast<double>(matrix.size()) / (own * its);
    if (other != latent && both > 0 && lift > 1 + 1e-9) {
      all.push_back({static_cast<std::int32_t>(other), both / own, lift});
    }
  }
  return all;
}

double score_of(const Companion& companion) {
  return companion.share * std::log2(companion.lift);
}

void expect_companions(const std::vector<Companion>& found, std::vector<Companion> all, std::int64_t most) {
  std::sort(all.begin(), all.end(), [](auto a, auto b) { return score_of(a) > score_of(b); });
  ASSERT_EQ(found.size(), std::min(all.size(), place(most)));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(score_of(found[i]), score_of(all[i]), 1e-9);
    const auto same =
        std::find_if(all.begin(), all.end(), [&](auto c) { return c.latent == found[i].latent; });
    ASSERT_NE(same, all.end());
    EXPECT_NEAR(found[i].share, same->share, 1e-12);
    EXPECT_NEAR(found[i].lift, same->lift, 1e-12);
    all[static_cast<std::size_t>(same - all.begin())].latent = -1;  // not twice
  }
}

TEST(Profiles, AreWhatOneWouldCount) {
  for (const bool negative : {false, true}) {
    for (const auto& drawn :
         {test::Drawn{}, test::Drawn{.rows = 1, .latents = 7},
          test::Drawn{.rows = 13, .latents = 5, .most = 5}, test::Drawn{.rows = 53, .latents = 26, .most = 4},
          test::Drawn{.rows = 201, .latents = 17, .most = 17}}) {
      auto with_sign = drawn;
      with_sign.negative = negative;
      const auto codes = random_codes(with_sign);
      const auto matrix = matrix_of(codes);
      for (const std::int64_t most : {0, 1, 4, 1000}) {
        const auto found = profiles(codes, {.top = most, .companions = most});
        ASSERT_EQ(static_cast<std::int64_t>(found.size()), codes.latents);
        for (std::size_t latent = 0; latent < found.size(); ++latent) {
          SCOPED_TRACE("latent " + std::to_string(latent) + " of " + std::to_string(codes.latents));
          expect_profile(found[latent], matrix, latent, most);
          expect_companions(found[latent].companions, plain_companions(matrix, latent), most);
        }
      }
    }
  }
}

TEST(Profiles, OfALatentThatIsNowhereAreZero) {
  const auto codes = random_codes({.rows = 40, .latents = 10});
  const auto dead = profiles(codes, {.companions = 3})[4];
  EXPECT_EQ(dead.rows, 0);
  EXPECT_EQ(dead.frequency, 0);
  EXPECT_EQ(dead.mean, 0);
  EXPECT_EQ(dead.maximum, 0);
  EXPECT_EQ(dead.rank, 0);
  EXPECT_THAT(dead.top, IsEmpty());
  EXPECT_THAT(dead.companions, IsEmpty());
  EXPECT_EQ(profiles(test::codes_of(torch::zeros({0, 3}))).size(), 3u) << "of no rows";
}

TEST(Profiles, ListRowsOfEqualValueInTheirOrder) {
  const auto codes = test::codes_of(torch::tensor({{1.0}, {-2.0}, {0.0}, {2.0}, {1.0}}));
  const auto found = profiles(codes, {.top = 3});
  std::vector<std::int64_t> rows;
  for (const auto& [row, value] : found[0].top) rows.push_back(row);
  EXPECT_THAT(rows, ElementsAre(1, 3, 0));
}

TEST(Profiles, RankByTheRowsThatHaveTheLatent) {
  // latent 2 is first, third and second on its rows, latent 0 second and second
  const auto codes = test::codes_of(torch::tensor(
      {{0.0, 0.0, 5.0, 1.0}, {3.0, 4.0, 2.0, 0.0}, {0.0, 9.0, 8.0, 0.0}, {0.25, 0.0, 0.0, -0.5}}));
  const auto found = profiles(codes);
  EXPECT_EQ(found[2].rank, 2);
  EXPECT_EQ(found[0].rank, 2);
  EXPECT_EQ(found[1].rank, 1);
  EXPECT_EQ(found[3].rank, 1) << "of two rows the lower";
}

TEST(Profiles, HaveCompanionsThatAreNoChance) {
  // 1 is on all rows, 2 wherever 0 is and once more, 3 where 0 is not
  const auto codes = test::codes_of(torch::tensor({{1.0, 1.0, 1.0, 0.0},
                                                   {1.0, 1.0, 1.0, 0.0},
                                                   {0.0, 1.0, 1.0, 1.0},
                                                   {0.0, 1.0, 0.0, 1.0},
                                                   {0.0, 1.0, 0.0, 1.0}}));
  const auto found = profiles(codes, {.companions = 10})[0].companions;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].latent, 2);
  EXPECT_EQ(found[0].share, 1);
  EXPECT_NEAR(found[0].lift, 5.0 / 3, 1e-12);
  EXPECT_THAT(profiles(codes)[0].companions, IsEmpty()) << "unless asked for";
}

TEST(Profiles, DoNotDependOnThreads) {
  const auto codes = random_codes({.rows = 301, .latents = 37, .most = 9, .negative = true});
  const auto told = [&](int threads) {
    const test::Threads with(threads);
    std::vector<double> numbers;
    for (const auto& profile : profiles(codes, {.top = 5, .companions = 5})) {
      numbers.insert(numbers.end(), {profile.frequency, profile.mean, profile.rank});
      for (const auto& top : profile.top) numbers.push_back(static_cast<double>(top.row));
      for (const auto& companion : profile.companions) numbers.push_back(companion.lift + companion.latent);
    }
    return numbers;
  };
  const auto alone = told(1);
  EXPECT_EQ(told(2), alone);
  EXPECT_EQ(told(5), alone);
}

TEST(Profiles, RefuseNegativeNumbers) {
  const auto said = [](const ProfileOptions& options) {
    return test::error_of<std::invalid_argument>([&] { profiles(random_codes({}), options); });
  };
  EXPECT_THAT(said({.top = -1}), HasSubstr("top: must not be negative, not -1"));
  EXPECT_THAT(said({.companions = -2}), HasSubstr("companions: must not be negative, not -2"));
}

TEST(LevelOf, IsTheFirstWithRoomForTheRank) {
  for (const bool batch : {false, true}) {
    const auto model = test::random_model(models::Matryoshka{.levels = {2, 8, 30}, .batch = batch});
    EXPECT_EQ(level_of(model, 1), 0);
    EXPECT_EQ(level_of(model, 2), 0);
    EXPECT_EQ(level_of(model, 3), 1);
    EXPECT_EQ(level_of(model, 8), 1);
    EXPECT_EQ(level_of(model, 30), 2);
    EXPECT_EQ(level_of(model, 31), -1);
    EXPECT_EQ(level_of(model, 0), -1);
  }
  EXPECT_EQ(level_of(test::random_model(models::TopK{5}), 3), -1);
  EXPECT_EQ(level_of(test::random_model(models::PrefixMatryoshka{.k = 5, .sizes = {8, 40}}), 3), -1)
      << "prefixes are not by rank";
}

}  // namespace
}  // namespace msae::concepts
