#include "kernels/cuda/select.h"

#include <gtest/gtest.h>

#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

struct Case {
  std::int64_t rows = 1, latents = 1;
  Values values = Values::plain;
  std::vector<std::uint32_t> keep = {};
  std::vector<bool> dense = {};  // [levels]
  float soft_cap = 0;
  std::vector<std::uint8_t> wanted = {};
  bool over_batch = false;
  bool cached = true;  // whether the row fits into shared memory
  unsigned threads = 64;
  std::uint64_t seed = 1;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << " rows, " << c.latents << " latents, values " << static_cast<int>(c.values)
             << ", keep " << testing::PrintToString(c.keep) << ", dense " << testing::PrintToString(c.dense)
             << ", cap " << c.soft_cap << (c.wanted.empty() ? "" : ", some wanted")
             << (c.over_batch ? ", over the batch" : "") << (c.cached ? ", cached" : ", not cached") << ", "
             << c.threads << " threads";
}

// Where the levels of a batch end, from the ranking.
std::vector<BatchCut> cuts_of(const Table<float>& values, const std::vector<std::uint32_t>& keep) {
  const auto order = ranking(values, 0, values.rows());
  std::vector<BatchCut> cuts;
  for (const auto k : keep) {
    const auto count = std::uint64_t{k} * static_cast<std::uint64_t>(values.rows());
    if (count == 0 || count >= order.size()) {
      cuts.push_back({count == 0 ? ~0u : 0u, 0, 0});
      continue;
    }
    const auto at = order[count - 1];
    cuts.push_back({rank_key(values.data()[at]), static_cast<std::uint32_t>(at / values.columns()),
                    static_cast<std::uint32_t>(at % values.columns()) + 1});
  }
  return cuts;
}

// A latent is a number that an F holds, or next to it.
template <typename F>
testing::AssertionResult is_latent(F actual, double expected, bool capped) {
  const double value = as_float(actual), size = std::abs(expected);
  if (std::isnan(expected) && std::isnan(value)) return testing::AssertionSuccess();
  const bool exact = !capped || expected == 0 || std::isinf(expected);
  if (exact && value == static_cast<double>(as_float(factor_of<F>(static_cast<float>(expected)))))
    return testing::AssertionSuccess();
  const double few = std::ldexp(8.0, sizeof(F) == 4 ? -149 : -133);  // of the smallest there are
  if (!exact && std::abs(value - expected) <= (rounding<F> + 1e-6) * size + few)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << value << ", not " << expected;
}

template <typename F>
class Selection {
 public:
  explicit Selection(const Case& c)
      : c_(c),
        random_(c.seed),
        data_(c.rows, c.latents, c.values, random_),
        levels_(levels_of(c.keep, c.dense)),
        seen_(data_.values) {
    for (std::int64_t i = 0; i < c.rows * c.latents; ++i) {
      if (!c.wanted.empty() && c.wanted[static_cast<std::size_t>(i % c.latents)] == 0) seen_.data()[i] = -1;
    }
    level_ = level_table(seen_, c.keep, c.over_batch);
  }

  void check() {
    const Limits limits(c_.threads, c_.cached ? most_shared() : 0);
    const auto levels = std::int64_t{levels_.count}, width = padded(c_.latents);
    std::vector<Entry> listed;
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      for (std::int64_t j = 0; j < c_.latents; ++j) {
        if (level_(b, j) >= 0 && !levels_.is_dense(level_(b, j)))
          listed.push_back({b, j, level_(b, j), latent(b, j)});
      }
    }
    const auto capacity = Lists::most(listed, c_.rows) + 1;
    const Lists expected(listed, c_.rows, levels, capacity);

    DeviceArray<float> pre(data_.rows()), bias(data_.bias);
    const DeviceArray<std::uint8_t> wanted(c_.wanted);
    auto cuts = DeviceArray<BatchCut>(cuts_of(seen_, c_.keep));
    DeviceLists lists(c_.rows, levels, capacity);
    DeviceArray<F> dense(levels_.dense * c_.rows * width);
    DeviceArray<std::uint8_t> slot(c_.rows * width);
    DeviceArray<std::uint32_t> kept(c_.rows * levels);
    DeviceArray<float> sum(c_.rows);
    const bool wants_slots = levels_.dense > 0, wants_sum = c_.seed % 2 == 0;
    select<F>(stream, {.rows = static_cast<int>(c_.rows),
                       .latents = static_cast<int>(c_.latents),
                       .pre = pre.data(),
                       .bias = bias.data(),
                       .soft_cap = c_.soft_cap,
                       .wanted = c_.wanted.empty() ? nullptr : wanted.data(),
                       .levels = levels_,
                       .cuts = c_.over_batch ? cuts.data() : nullptr,
                       .entries = lists.entries(),
                       .dense = dense.data(),
                       .slot = wants_slots ? slot.data() : nullptr,
                       .kept = kept.data(),
                       .sum = wants_sum ? sum.data() : nullptr});
    EXPECT_EQ(lists.begin(), expected.begin);
    EXPECT_EQ(lists.latent(), expected.latent);
    const auto values = lists.value();
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (expected.latent[i] == ~0u) {
        ASSERT_TRUE(untouched(values[i])) << i;
      } else {
        ASSERT_TRUE(is_latent(values[i], static_cast<double>(expected.value[i]), c_.soft_cap > 0)) << i;
      }
    }
    check_kept(kept.host());
    check_matrices(dense.host());
    if (wants_slots) check_slots(slot.host());
    if (wants_sum) check_sums(sum.host());
  }

 private:
  double latent(std::int64_t b, std::int64_t j) const {
    const auto value = static_cast<double>(seen_(b, j)), cap = static_cast<double>(c_.soft_cap);
    return cap > 0 ? cap * std::tanh(value / cap) : value;
  }

  void check_kept(const std::vector<std::uint32_t>& kept) const {
    std::vector<std::uint32_t> expected(kept.size());
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      for (std::int64_t j = 0; j < c_.latents; ++j) {
        if (level_(b, j) >= 0) ++expected[static_cast<std::size_t>(b * levels_.count + level_(b, j))];
      }
    }
    EXPECT_EQ(kept, expected);
  }

  // Zeros where other levels' latents are, and behind the last.
  void check_matrices(const std::vector<F>& dense) const {
    const auto width = padded(c_.latents);
    for (std::int64_t l = 0; l < levels_.count; ++l) {
      if (!levels_.is_dense(static_cast<int>(l))) continue;
      for (std::int64_t b = 0; b < c_.rows; ++b) {
        for (std::int64_t j = 0; j < width; ++j) {
          const bool own = j < c_.latents && level_(b, j) == l;
          const auto at = (levels_.slot[l] * c_.rows + b) * width + j;
          ASSERT_TRUE(is_latent(dense[static_cast<std::size_t>(at)], own ? latent(b, j) : 0, c_.soft_cap > 0))
              << "level " << l << ", row " << b << ", latent " << j;
        }
      }
    }
  }

  void check_slots(const std::vector<std::uint8_t>& slot) const {
    const auto width = padded(c_.latents);
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      for (std::int64_t j = 0; j < width; ++j) {
        const int level = j < c_.latents ? level_(b, j) : -1;
        ASSERT_EQ(slot[static_cast<std::size_t>(b * width + j)], level < 0 ? no_level : levels_.slot[level])
            << "row " << b << ", latent " << j;
      }
    }
  }

  void check_sums(const std::vector<float>& sums) const {
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      double expected = 0;
      for (std::int64_t j = 0; j < c_.latents; ++j) {
        if (level_(b, j) >= 0) expected += latent(b, j);
      }
      const double actual = sums[static_cast<std::size_t>(b)];
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(actual)) << b;
      } else if (expected > std::numeric_limits<float>::max()) {
        EXPECT_TRUE(std::isinf(actual)) << b;
      } else {
        EXPECT_NEAR(actual, expected, 2e-6 * expected + 1e-40) << b;
      }
    }
  }

  Case c_;
  Random random_;
  PreActivations data_;
  Levels levels_;
  Table<float> seen_;  // values, those that are not wanted negative
  Table<int> level_;
};

template <typename F>
void expect_ranking(const Case& c) {
  SCOPED_TRACE(testing::Message() << c);
  Selection<F>(c).check();
}

// With options that its number decides on.
Case some_case(std::int64_t latents, const std::vector<std::uint32_t>& keep, Values values,
               std::uint64_t number) {
  Random random(number);
  constexpr unsigned threads[] = {32, 64, 96, 64, 256};
  Case c{.rows = 1 + random.below(3),
         .latents = latents,
         .values = values,
         .keep = keep,
         .dense = random_dense(keep.size(), static_cast<double>(number % 3) / 2, random),
         .soft_cap = number % 4 == 0 ? 1.5f : 0,
         .over_batch = number % 5 == 0,
         .cached = number % 7 < 4,
         .threads = threads[number / 2 % 5],
         .seed = number};
  for (std::int64_t j = 0; number % 6 == 0 && j < latents; ++j)
    c.wanted.push_back(static_cast<std::uint8_t>(random.chance(0.4) ? 1 + j % 255 : 0));
  return c;
}

template <typename F>
class CudaSelect : public testing::Test {};
TYPED_TEST_SUITE(CudaSelect, Factors);

TYPED_TEST(CudaSelect, IsARankingForEveryKindOfValues) {
  std::uint64_t number = 0;
  for (const std::uint32_t latents : {1, 7, 8, 9, 31, 33, 100, 257, 700}) {
    for (const auto& keep : keep_lists(latents)) {
      for (const auto values : all_values) {
        expect_ranking<TypeParam>(some_case(latents, keep, values, ++number));
      }
    }
  }
}

// As many as rows that shared memory has room for, and more: blocks of each size that there are, and rows
// that are read again.
TYPED_TEST(CudaSelect, IsARankingOfManyLatents) {
  std::uint64_t number = 0;
  for (const std::uint32_t latents : {2100, 15001, 20011, 33003}) {
    const auto lists = keep_lists(latents);
    for (const auto values : all_values) {
      ++number;
      auto c = some_case(latents, lists[number * 3 % lists.size()], values, number);
      c.rows = 1;
      expect_ranking<TypeParam>(c);
    }
  }
}

// One bin has as many values as are ranked at once, or more: then its further bits are looked at.
TYPED_TEST(CudaSelect, RanksAsManyValuesAsABinMayHave) {
  std::uint64_t number = 0;
  for (const std::uint32_t latents : {511, 512, 513, 1100, 1900}) {
    for (const auto values : {Values::equal, Values::close, Values::closer, Values::two_bins}) {
      for (const bool cached : {true, false}) {
        Case c{.rows = 2,
               .latents = latents,
               .values = values,
               .keep = {1, 2, 255, 256, 257, 300, 500, 510},
               .dense = {false, true, false, false, true, false, true, false},
               .cached = cached,
               .seed = ++number};
        expect_ranking<TypeParam>(c);
        c.keep.back() = latents - 1;
        expect_ranking<TypeParam>(c);
      }
    }
  }
}

// A warp notes as many entries as it has room for. With more it looks at its latents again.
TYPED_TEST(CudaSelect, ListsAsManyEntriesAsThereAre) {
  std::uint64_t number = 0;
  for (const std::uint32_t listed : {255, 256, 257, 600, 1500}) {
    for (const bool cached : {true, false}) {
      for (const bool over_batch : {false, true}) {
        ++number;
        expect_ranking<TypeParam>({.rows = 2,
                                   .latents = 1500,
                                   .values = number % 3 == 0 ? Values::whole : Values::plain,
                                   .keep = {listed / 3, listed / 2, listed, 1500},
                                   .dense = {false, false, false, number % 2 == 0},
                                   .over_batch = over_batch,
                                   .cached = cached,
                                   .threads = number % 4 == 0 ? 64u : 32u,
                                   .seed = number});
      }
    }
  }
}

// Whatever blocks there are, and wherever rows are kept.
TYPED_TEST(CudaSelect, IsTheSameForAllBlocks) {
  for (const auto threads : {32u, 64u, 96u, 160u, 256u}) {
    for (const bool cached : {true, false}) {
      for (const auto values : {Values::plain, Values::whole, Values::close}) {
        for (const bool over_batch : {false, true}) {
          expect_ranking<TypeParam>({.rows = 3,
                                     .latents = 1023,
                                     .values = values,
                                     .keep = {2, 30, 31, 200, 700},
                                     .dense = {false, false, true, true, false},
                                     .over_batch = over_batch,
                                     .cached = cached,
                                     .threads = threads,
                                     .seed = 2});
        }
      }
    }
  }
}

TYPED_TEST(CudaSelect, WantsNothing) {
  for (const std::int64_t latents : {1, 9, 600}) {
    expect_ranking<TypeParam>({.rows = 2,
                               .latents = latents,
                               .keep = {1, 3},
                               .dense = {false, true},
                               .wanted = std::vector<std::uint8_t>(static_cast<std::size_t>(latents))});
  }
}

}  // namespace
}  // namespace msae::kernels::cuda
