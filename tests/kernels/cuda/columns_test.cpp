#include "kernels/cuda/columns.h"

#include <gtest/gtest.h>

#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

struct Case {
  std::int64_t rows, latents;
  std::int64_t levels = 1;
  double density = 0.3;
  double auxiliary = -1;  // density; below 0: there is no such list
  double dense = 0;       // chance of a level to be a matrix: of those there are no entries
};

void expect_stable_sort(const Case& c) {
  SCOPED_TRACE(testing::Message() << c.rows << " x " << c.latents << ", " << c.levels << " levels, density "
                                  << c.density << ", auxiliary " << c.auxiliary);
  Random random(static_cast<std::uint64_t>(c.rows * 7919 + c.latents));
  const auto levels = levels_of(std::vector<std::uint32_t>(static_cast<std::size_t>(c.levels)),
                                random_dense(static_cast<std::size_t>(c.levels), c.dense, random));
  auto entries = kernels::test::random_entries<float>(c.rows, c.latents, c.levels, c.density, random);
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&](const Entry& e) { return levels.is_dense(static_cast<int>(e.level)); }),
                entries.end());
  const auto more = kernels::test::random_entries<float>(c.rows, c.latents, 1, c.auxiliary, random);
  const auto slot = levels.count;

  // By latent, row, and whether they are auxiliary.
  std::vector<Entry> expected;
  for (const auto& e : entries) expected.push_back({e.row, e.latent, levels.slot[e.level], e.value});
  for (const auto& e : more) expected.push_back({e.row, e.latent, slot, e.value});
  std::stable_sort(expected.begin(), expected.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(a.latent, a.row) < std::tuple(b.latent, b.row);
  });

  DeviceLists lists(Lists(entries, c.rows, c.levels, Lists::most(entries, c.rows) + 2));
  DeviceLists others(Lists(more, c.rows, 1, Lists::most(more, c.rows)));
  const auto rows = static_cast<int>(c.rows), latents = static_cast<int>(c.latents);
  DeviceArray<std::uint32_t> room(column_room(rows, latents)), begin(c.latents + 1);
  DeviceArray<std::uint32_t> place(static_cast<std::int64_t>(expected.size()));
  DeviceArray<float> value(place.size());
  sort_columns(stream, {.rows = rows,
                        .latents = latents,
                        .levels = levels,
                        .entries = lists.entries(),
                        .auxiliary = c.auxiliary < 0 ? Entries{} : others.entries(),
                        .auxiliary_slot = slot,
                        .room = room.data(),
                        .columns = {begin.data(), place.data(), value.data()}});
  const auto begins = begin.host(), places = place.host();
  const auto values = value.host();
  std::vector<Entry> actual;
  ASSERT_EQ(begins.front(), 0u);
  ASSERT_EQ(begins.back(), expected.size());
  for (std::int64_t j = 0; j < c.latents; ++j) {
    const auto first = begins[static_cast<std::size_t>(j)], last = begins[static_cast<std::size_t>(j + 1)];
    ASSERT_LE(first, last);
    for (auto i = first; i < last; ++i) {
      actual.push_back({places[i] >> 8, j, places[i] & 255, static_cast<double>(values[i])});
    }
  }
  EXPECT_TRUE(actual == expected) << testing::PrintToString(actual) << "\n"
                                  << testing::PrintToString(expected);
}

TEST(CudaColumns, AreSortedByLatentAndRow) {
  for (const std::int64_t rows : {1, 2, 31, 32, 33, 64, 65, 131}) {
    for (const std::int64_t latents : {1, 2, 7, 31, 100}) {
      for (const double density : {0.0, 0.05, 0.5, 1.0}) {
        for (const double auxiliary : {-1.0, 0.0, 0.3, 1.0}) {
          const auto levels = 1 + (rows + latents) % 5;
          expect_stable_sort({rows, latents, levels, density, auxiliary, levels > 3 ? 0.4 : 0.0});
        }
      }
    }
  }
}

TEST(CudaColumns, HaveTheSlotsOfManyLevels) {
  for (const double dense : {0.0, 0.5, 1.0}) {
    expect_stable_sort({35, 90, max_levels, 0.7, 0.1, dense});
  }
}

// More latents than the threads of a block.
TEST(CudaColumns, AreSortedForManyLatents) {
  for (const std::int64_t latents : {1023, 1024, 1025, 3000}) {
    expect_stable_sort({40, latents, 3, 0.02, 0.01});
  }
}

}  // namespace
}  // namespace msae::kernels::cuda
