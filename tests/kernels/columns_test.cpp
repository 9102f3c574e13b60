#include "kernels/cpu/columns.h"

#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Entry;

template <typename T>
class Columns : public testing::Test {};
TYPED_TEST_SUITE(Columns, test::Precisions);

// Where each latent's entries begin, and what is there.
template <typename T>
void expect_columns(const ChunkColumns<T>& columns, std::int64_t latents, const std::vector<Entry>& sorted) {
  std::uint32_t at = 0;
  auto next = sorted.begin();
  for (std::int64_t latent = 0; latent < latents; ++latent) {
    ASSERT_EQ(columns.begin[latent], at) << "latent " << latent;
    for (; next != sorted.end() && next->latent == latent; ++next, ++at) {
      ASSERT_EQ(columns.place[at], next->row << 8 | next->level) << *next;
      ASSERT_EQ(columns.value[at], static_cast<T>(next->value)) << *next;
    }
    for (; at % column_group != 0; ++at) {
      ASSERT_EQ(columns.place[at], 0U) << "that fills up latent " << latent;
      ASSERT_EQ(columns.value[at], T{0}) << "that fills up latent " << latent;
    }
  }
  ASSERT_EQ(columns.begin[latents], at);
  EXPECT_EQ(next, sorted.end());
}

TYPED_TEST(Columns, SortByLatentAndRowAndFillUpGroups) {
  using T = TypeParam;
  ChunkColumns<T> columns;  // the same one for all: what it held before is nobody's business
  test::Random random(1);
  for (const std::int64_t latents : {1536 + 5, 1, 7, 16, 33, 100}) {
    for (const std::int64_t rows : {128, 1, 2, 127}) {
      for (const std::int64_t levels : {1, 3, 254}) {
        for (const auto density : {1.0, 0.0, 0.1, 0.5}) {
          if (latents > 100 && (levels != 3 || rows > 2 || density == 1)) continue;
          SCOPED_TRACE(testing::Message()
                       << rows << " x " << latents << ", levels " << levels << ", density " << density);
          auto entries = test::random_entries<T>(rows, latents, levels, density, random);
          const auto tile = latents > 1536 ? 1536 : std::int64_t{16};
          const auto chunks = test::by_row<T>(entries, rows, latents, tile, levels);
          const LevelledEntries<T> parts[] = {{&chunks[0], levels, 0}};
          to_columns<T>(parts, latents, columns);
          test::sort_by_latent(entries);
          expect_columns(columns, latents, entries);
        }
      }
    }
  }
}

TYPED_TEST(Columns, PutASecondPartAfterTheFirst) {
  using T = TypeParam;
  test::Random random(2);
  constexpr std::int64_t rows = 127, latents = 100, levels = 5;
  auto entries = test::random_entries<T>(rows, latents, levels, 0.3, random);
  auto others = test::random_entries<T>(rows, latents, 1, 0.2, random);
  const auto chunks = test::by_row<T>(entries, rows, latents, 16, levels);
  const auto other_chunks = test::by_row<T>(others, rows, latents, 33, 1);
  const LevelledEntries<T> parts[] = {{&chunks[0], levels, 0}, {&other_chunks[0], 1, 5}};
  ChunkColumns<T> columns;
  to_columns<T>(parts, latents, columns);
  for (auto& other : others) other.level = 5;
  test::sort_by_latent(entries);
  test::sort_by_latent(others);
  entries.insert(entries.end(), others.begin(), others.end());
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.latent < b.latent; });
  expect_columns(columns, latents, entries);
}

TYPED_TEST(Columns, LeaveOutTheLevelsThatDoNotCount) {
  using T = TypeParam;
  test::Random random(3);
  constexpr std::int64_t rows = 127, latents = 100, levels = 5;
  const auto entries = test::random_entries<T>(rows, latents, levels, 0.3, random);
  const auto chunks = test::by_row<T>(entries, rows, latents, 16, levels);
  for (const auto& [from, to] : {std::pair(0, 4), std::pair(4, 5), std::pair(1, 3), std::pair(2, 2)}) {
    const LevelledEntries<T> parts[] = {
        {.rows = &chunks[0], .levels = levels, .first_level = 10, .from = from, .to = to}};
    ChunkColumns<T> columns;
    to_columns<T>(parts, latents, columns);
    std::vector<Entry> counted;
    for (auto entry : entries) {
      if (entry.level < from || entry.level >= to) continue;
      entry.level += 10;
      counted.push_back(entry);
    }
    test::sort_by_latent(counted);
    expect_columns(columns, latents, counted);
  }
}

}  // namespace
}  // namespace msae::kernels
