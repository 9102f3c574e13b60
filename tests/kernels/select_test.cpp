#include "kernels/cpu/select.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Entry;
using test::Table;

using Levels = std::vector<std::int64_t>;

template <typename T>
auto bits_of(T value) {
  return std::bit_cast<typename Cut<T>::Key>(value);
}

// Whether a comes before b; numbers come after what is none.
template <typename T>
bool larger(T a, T b) {
  return std::isnan(a) || std::isnan(b) ? bits_of(a) > bits_of(b) : a > b;
}

// A row's latents by (value descending, index ascending), those that are not positive left out.
template <typename T>
std::vector<std::int64_t> ranking(const std::vector<T>& values) {
  std::vector<std::int64_t> order;
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (values[j] > 0 || std::isnan(values[j])) order.push_back(static_cast<std::int64_t>(j));
  }
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    return larger(values[static_cast<std::size_t>(i)], values[static_cast<std::size_t>(j)]);
  });
  return order;
}

// What a row keeps, by tile, level and latent.
template <typename T>
std::vector<Entry> kept_of(const std::vector<T>& values, const Levels& levels, std::int64_t row,
                           std::int64_t tile) {
  std::vector<Entry> kept;
  std::int64_t rank = 0;
  for (const auto j : ranking(values)) {
    const auto level = std::upper_bound(levels.begin(), levels.end(), rank++) - levels.begin();
    if (level == static_cast<std::int64_t>(levels.size())) break;
    kept.push_back({row, j, level, values[static_cast<std::size_t>(j)]});
  }
  test::sort_by_run(kept, tile);
  return kept;
}

enum class Values { plain, few, equal, tiny, odd };

// A share of them is positive. Of `few` there are three positive ones; `tiny` are close to each other and to
// the smallest ones that there are; some of the `odd` are infinite, or no number.
template <typename T>
std::vector<T> some_values(Values values, std::int64_t count, double positive, test::Random& random) {
  std::vector<T> all;
  for (std::int64_t i = 0; i < count; ++i) {
    auto value = static_cast<T>(std::abs(random.number()) + 1e-3);
    switch (values) {
      case Values::plain:
        break;
      case Values::few:
        value = static_cast<T>(1 + random.below(3)) / 2;
        break;
      case Values::equal:
        value = 1.5;
        break;
      case Values::tiny:
        value = std::numeric_limits<T>::denorm_min() * static_cast<T>(1 + random.below(1000));
        break;
      case Values::odd:
        if (random.chance(0.2)) value = std::numeric_limits<T>::infinity();
        if (random.chance(0.1)) value = test::nan_of<T>;
        if (random.chance(0.1)) value = -test::nan_of<T>;
        break;
    }
    if (!random.chance(positive)) value = random.chance(0.2) ? -T{0} : -std::abs(value);
    if (std::isnan(value) && positive == 0) value = 0;
    all.push_back(value);
  }
  return all;
}

// With one of many latents, all of them, one beyond them, ...
std::vector<Levels> level_lists(std::int64_t latents) {
  std::vector<Levels> lists = {{0}, {1}, {latents}, {latents + 3}, {0, 1, latents}};
  if (latents < 7) return lists;
  lists.push_back({latents / 4, latents / 2, latents - 1});
  lists.push_back({1, 2, 3, latents, 2 * latents});
  Levels many;
  for (std::int64_t k = 0; k < std::min<std::int64_t>(latents, 60); k += 1 + k / 8) many.push_back(k);
  lists.push_back(many);
  return lists;
}

constexpr std::int64_t all_latents[] = {1, 7, 16, 33, 100, 1536 + 5};

template <typename T>
class Select : public testing::Test {};
TYPED_TEST_SUITE(Select, test::Precisions);

// Some rows with one Selector, one after the other, each found as its ranking has it.
template <typename T>
void expect_ranking(std::int64_t latents, std::int64_t tile, const Levels& levels, Values values,
                    double positive) {
  SCOPED_TRACE(testing::Message() << latents << " latents, tile " << tile << ", levels "
                                  << testing::PrintToString(levels) << ", values " << static_cast<int>(values)
                                  << ", positive " << positive);
  test::Random random(static_cast<std::uint64_t>(latents + tile));
  Selector<T> selector(latents, tile, 0);
  const auto level_count = static_cast<std::int64_t>(levels.size());
  ChunkEntries<T> chunk;
  chunk.clear((latents + tile - 1) / tile * level_count);
  const std::vector<T> bias(static_cast<std::size_t>(latents), 0);
  std::vector<Entry> expected;
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto pre = some_values<T>(values, latents, row == 1 ? positive / 2 : positive, random);
    selector.read(pre.data(), row == 2 ? nullptr : bias.data());
    const auto count = static_cast<std::int64_t>(ranking(pre).size());
    EXPECT_EQ(selector.count(), count);
    const auto cuts = selector.cuts(levels);
    EXPECT_EQ(static_cast<std::int64_t>(cuts.size()),
              std::count_if(levels.begin(), levels.end(), [&](auto k) { return k < count; }));
    selector.append(cuts, level_count, chunk);
    const auto kept = kept_of(pre, levels, row, tile);
    expected.insert(expected.end(), kept.begin(), kept.end());
  }
  EXPECT_EQ(chunk.rows, 3);
  EXPECT_EQ(test::list_of(chunk, 0, tile, level_count), expected);
}

TYPED_TEST(Select, KeepsTheLargestOfEveryLevelTiesByIndex) {
  for (const auto latents : all_latents) {
    for (const auto& levels : level_lists(latents)) {
      for (const auto positive : {0.0, 0.05, 0.5, 1.0}) {
        for (const auto values : {Values::plain, Values::few, Values::equal}) {
          expect_ranking<TypeParam>(latents, latents > 1536 ? 1536 : 16, levels, values, positive);
        }
      }
    }
  }
}

TYPED_TEST(Select, TellsTheSmallestNumbersApart) {
  for (const auto latents : all_latents) {
    for (const auto& levels : level_lists(latents)) {
      expect_ranking<TypeParam>(latents, latents, levels, Values::tiny, 0.7);
    }
  }
}

TYPED_TEST(Select, KeepsWhatIsNoNumberBeforeAllOthersSoThatItSurfaces) {
  for (const auto latents : all_latents) {
    for (const auto& levels : level_lists(latents)) {
      expect_ranking<TypeParam>(latents, latents, levels, Values::odd, 0.5);
    }
  }
}

TYPED_TEST(Select, GroupsTheRunsOfEveryTileSize) {
  for (const std::int64_t tile : {1, 3, 16, 33, 99, 100, 101}) {
    for (const auto& levels : level_lists(100)) {
      expect_ranking<TypeParam>(100, tile, levels, Values::plain, 0.5);
    }
  }
}

TYPED_TEST(Select, KeepsNothingOfRowsWithoutPositiveValues) {
  using T = TypeParam;
  const std::vector<T> bias(33, 0);
  for (const T value : {T{-1}, T{0}, -T{0}, -std::numeric_limits<T>::infinity()}) {
    Selector<T> selector(33, 16, 0);
    const std::vector<T> pre(33, value);
    selector.read(pre.data(), bias.data());
    EXPECT_EQ(selector.count(), 0);
    const Levels levels = {0, 5, 33};
    EXPECT_TRUE(selector.cuts(levels).empty());
    ChunkEntries<T> chunk;
    chunk.clear(9);
    selector.append({}, 3, chunk);
    EXPECT_EQ(chunk.rows, 1);
    EXPECT_EQ(chunk.count(), 0);
  }
}

TYPED_TEST(Select, RanksSumsOfPreActivationAndBias) {
  using T = TypeParam;
  for (const auto latents : all_latents) {
    test::Random random(3);
    const auto pre = some_values<T>(Values::plain, latents, 0.5, random);
    const auto bias = some_values<T>(Values::plain, latents, 0.5, random);
    std::vector<T> sums;
    for (std::size_t j = 0; j < pre.size(); ++j) sums.push_back(pre[j] + bias[j]);
    Selector<T> selector(latents, latents, 0);
    selector.read(pre.data(), bias.data());
    const Levels levels = {latents / 3, latents};
    ChunkEntries<T> chunk;
    chunk.clear(2);
    selector.append(selector.cuts(levels), 2, chunk);
    EXPECT_EQ(test::list_of(chunk, 0, latents, 2), kept_of(sums, levels, 0, latents));
  }
}

TYPED_TEST(Select, CapsWhatItHasSelected) {
  using T = TypeParam;
  constexpr std::int64_t latents = 100;
  constexpr T cap = 0.25;  // where most values are the same, or nearly so, once capped
  test::Random random(4);
  auto pre = some_values<T>(Values::plain, latents, 0.8, random);
  for (std::size_t j = 0; j < pre.size(); j += 2) pre[j] *= 100;
  const std::vector<T> bias(latents, 0);
  const Levels levels = {3, 20, 60};
  Selector<T> selector(latents, 16, cap);
  selector.read(pre.data(), bias.data());
  ChunkEntries<T> chunk;
  chunk.clear(7 * 3);
  selector.append(selector.cuts(levels), 3, chunk);
  const auto expected = kept_of(pre, levels, 0, 16), found = test::list_of(chunk, 0, 16, 3);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].latent, expected[i].latent);
    EXPECT_EQ(found[i].level, expected[i].level);
    EXPECT_NEAR(found[i].value, cap * std::tanh(expected[i].value / cap),
                4 * std::numeric_limits<T>::epsilon() * cap);
  }
}

TYPED_TEST(Select, TellsTheSmallestValueOfEachLevelBeforeTheCap) {
  using T = TypeParam;
  constexpr auto infinity = std::numeric_limits<T>::infinity();
  test::Random random(5);
  const Levels levels = {0, 4, 30, 90};
  std::vector<T> smallest(4, infinity), expected(4, infinity);
  Selector<T> selector(100, 16, 0.5);
  ChunkEntries<T> chunk;
  chunk.clear(7 * 4);
  const std::vector<T> bias(100, 0);
  for (std::int64_t row = 0; row < 5; ++row) {
    const auto pre = some_values<T>(Values::plain, 100, 0.6, random);
    selector.read(pre.data(), bias.data());
    selector.append(selector.cuts(levels), 4, chunk, smallest.data());
    for (const auto& entry : kept_of(pre, levels, row, 16)) {
      auto& least = expected[static_cast<std::size_t>(entry.level)];
      least = std::min(least, static_cast<T>(entry.value));
    }
  }
  EXPECT_EQ(smallest, expected);
  EXPECT_EQ(smallest[0], infinity);
  EXPECT_LT(smallest[3], smallest[1]);
}

TYPED_TEST(Select, TakesARowOfEntriesAsItWasRead) {
  using T = TypeParam;
  for (const auto latents : all_latents) {
    test::Random random(6);
    const auto tile = std::min<std::int64_t>(latents, 1536);
    Selector<T> whole(latents, latents, 0), cut(latents, tile, 0);
    ChunkEntries<T> uncut, chunk;
    uncut.clear(1);
    const Levels levels = {0, 2, latents / 2 + 3};
    chunk.clear((latents + tile - 1) / tile * 3);
    const std::vector<T> bias(static_cast<std::size_t>(latents), 0);
    std::vector<Entry> expected;
    for (std::int64_t row = 0; row < 4; ++row) {
      const auto pre =
          some_values<T>(row == 2 ? Values::odd : Values::few, latents, row == 1 ? 0 : 0.7, random);
      whole.read(pre.data(), bias.data());
      whole.append({}, 1, uncut);
      const auto kept = kept_of(pre, levels, row, tile);
      expected.insert(expected.end(), kept.begin(), kept.end());
    }
    for (std::int64_t row = 0; row < 4; ++row) {
      cut.read(uncut, row);
      EXPECT_EQ(cut.count(), uncut.row_begin(row + 1) - uncut.row_begin(row));
      cut.append(cut.cuts(levels), 3, chunk);
    }
    EXPECT_EQ(test::list_of(chunk, 0, tile, 3), expected);
  }
}

TYPED_TEST(Select, ForgetsTheLatentsThatAreNotWanted) {
  using T = TypeParam;
  for (const auto latents : all_latents) {
    for (const std::int64_t every : {1, 3, 10000}) {
      test::Random random(7);
      auto pre = some_values<T>(Values::few, latents, 0.8, random);
      std::vector<std::uint8_t> wanted(static_cast<std::size_t>(latents));
      for (std::size_t j = 1; j < wanted.size(); ++j) wanted[j] = j % static_cast<std::size_t>(every) == 0;
      const std::vector<T> bias(static_cast<std::size_t>(latents), 0);
      Selector<T> selector(latents, latents, 0);
      selector.read(pre.data(), bias.data());
      selector.leave_out(wanted.data());
      for (std::size_t j = 0; j < wanted.size(); ++j) {
        if (wanted[j] == 0) pre[j] = -1;
      }
      const Levels levels = {5};
      EXPECT_EQ(selector.count(), static_cast<std::int64_t>(ranking(pre).size()));
      ChunkEntries<T> chunk;
      chunk.clear(1);
      selector.append(selector.cuts(levels), 1, chunk);
      EXPECT_EQ(test::list_of(chunk, 0, latents, 1), kept_of(pre, levels, 0, latents));
    }
  }
}

TYPED_TEST(Select, CountsAndCollectsByTheTopBits) {
  using T = TypeParam;
  constexpr int shift = 8 * sizeof(T) - 16;
  for (const auto latents : all_latents) {
    for (const auto values : {Values::plain, Values::equal, Values::odd}) {
      test::Random random(8);
      const auto pre = some_values<T>(values, latents, 0.8, random);
      const std::vector<T> bias(static_cast<std::size_t>(latents), 0);
      Selector<T> selector(latents, latents, 0);
      selector.read(pre.data(), bias.data());
      std::vector<std::uint64_t> histogram(Selector<T>::bins, 1), expected(Selector<T>::bins, 1);
      selector.add_to(histogram);
      std::vector<std::vector<std::pair<std::uint64_t, std::uint32_t>>> of_bin(Selector<T>::bins);
      for (std::size_t j = 0; j < pre.size(); ++j) {
        if (pre[j] <= 0) continue;
        const auto bin = static_cast<std::size_t>(bits_of(pre[j]) >> shift);
        ++expected[bin];
        of_bin[bin].emplace_back(bits_of(pre[j]), static_cast<std::uint32_t>(j));
      }
      EXPECT_EQ(histogram, expected);
      std::int64_t looked_at = 0;
      for (std::size_t bin = 0; bin < of_bin.size() && looked_at < 40; ++bin) {
        if (of_bin[bin].empty() && bin % 9999 != 0) continue;
        std::vector<Cut<T>> candidates = {{7, 8}};  // which stays
        selector.collect(static_cast<std::int64_t>(bin), candidates);
        ASSERT_EQ(candidates.size(), of_bin[bin].size() + 1);
        EXPECT_EQ(candidates[0].end, 8U);
        for (std::size_t i = 0; i < of_bin[bin].size(); ++i) {
          EXPECT_EQ(candidates[i + 1].key, of_bin[bin][i].first);
          EXPECT_EQ(candidates[i + 1].end, of_bin[bin][i].second);
        }
        ++looked_at;
      }
    }
  }
}

TYPED_TEST(Select, CutsAmongCandidatesInAnyOrder) {
  using T = TypeParam;
  test::Random random(9);
  for (const std::int64_t count : {1, 2, 17, 100}) {
    for (const std::int64_t distinct : {1, 3, 1000}) {
      std::vector<Cut<T>> all;
      for (std::int64_t i = 0; i < count; ++i) {
        all.push_back(
            {static_cast<typename Cut<T>::Key>(random.below(distinct)), static_cast<std::uint32_t>(i)});
      }
      for (auto i = count - 1; i > 0; --i) {
        std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(random.below(i + 1))]);
      }
      auto sorted = all;
      std::sort(sorted.begin(), sorted.end(), [](const Cut<T>& a, const Cut<T>& b) {
        return std::tuple(b.key, a.end) < std::tuple(a.key, b.end);
      });
      for (std::int64_t keep = 1; keep <= count; ++keep) {
        auto candidates = all;
        const auto cut = cut_among(candidates, keep);
        const auto& last = sorted[static_cast<std::size_t>(keep - 1)];
        EXPECT_EQ(cut.key, last.key);
        EXPECT_EQ(cut.end, last.end + 1);
      }
    }
  }
}

}  // namespace
}  // namespace msae::kernels
