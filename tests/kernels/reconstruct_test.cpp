#include "kernels/cpu/reconstruct.h"

#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::nan_of;
using test::Table;

struct LevelsShape {
  std::int64_t rows, dim, latents, tile, levels, used;
  double density;
};

std::ostream& operator<<(std::ostream& out, const LevelsShape& s) {
  return out << s.rows << " x " << s.dim << ", " << s.latents << " latents, tile " << s.tile << ", levels "
             << s.levels << ", used " << s.used << ", density " << s.density;
}

constexpr LevelsShape levels_shapes[] = {
    {1, 1, 1, 1536, 1, 1, 1},           {2, 5, 7, 3, 4, 4, 0.5},       {127, 63, 16, 1536, 3, 2, 0.5},
    {128, 64, 33, 16, 2, 1, 1},         {129, 65, 100, 33, 8, 8, 0.2}, {300, 130, 33, 1536, 5, 4, 0.1},
    {129, 128, 1541, 1536, 2, 2, 0.05}, {300, 1, 100, 99, 1, 1, 0},    {2, 130, 1541, 1536, 255, 255, 1},
};

template <typename T>
constexpr double levels_tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;

template <typename T>
class Reconstructs : public testing::Test {};
TYPED_TEST_SUITE(Reconstructs, test::Precisions);

TYPED_TEST(Reconstructs, EveryLevelWhateverTheChunks) {
  using T = TypeParam;
  for (const auto& s : levels_shapes) {
    SCOPED_TRACE(testing::Message() << s);
    test::Random random(static_cast<std::uint64_t>(s.rows + s.dim));
    const auto entries = test::random_entries<T>(s.rows, s.latents, s.used, s.density, random);
    const auto chunks = test::by_row<T>(entries, s.rows, s.latents, s.tile, s.levels);
    Table<T> decoder(s.latents, s.dim);
    Sliced<T> sliced;
    test::slice_up(decoder.fill_with(random), sliced);
    Table<double> expected(s.levels * s.rows, s.dim);
    for (const auto& entry : entries) {
      for (auto l = entry.level; l < s.levels; ++l) {
        for (std::int64_t d = 0; d < s.dim; ++d) {
          expected(l * s.rows + entry.row, d) += entry.value * static_cast<double>(decoder(entry.latent, d));
        }
      }
    }
    const auto count = test::chunks_of(s.rows);
    Buffer<T> sums(count * chunk_rows * s.used * slice_width<T>);
    const auto run = [&](Table<T>& to, std::int64_t step) {
      const Reconstruct<T> work{.chunks = chunks,
                                .levels = s.levels,
                                .used = s.used,
                                .decoder = &sliced,
                                .tile = s.tile,
                                .reconstruction = to.matrix()};
      for (std::int64_t c = 0; c < count; c += step)
        reconstruct(work, c, std::min(c + step, count), sums.data());
    };
    Table<T> whole(s.levels * s.rows, s.dim, nan_of<T>, 3), parts = whole;
    run(whole, count);
    run(parts, 1);
    EXPECT_LE(test::difference(whole, expected), levels_tolerance<T>);
    EXPECT_TRUE(whole.gaps_hold(nan_of<T>));
    EXPECT_TRUE(test::same_bits(whole, parts));
  }
}

TYPED_TEST(Reconstructs, GradientsOfWhatLevelsAddAreSuffixSums) {
  using T = TypeParam;
  for (const auto& s : levels_shapes) {
    SCOPED_TRACE(testing::Message() << s);
    test::Random random(7);
    const auto gradient = Table<T>(s.levels * s.rows, s.dim, 0, 2).fill_with(random);
    Sliced<T> sums;
    sums.resize(s.rows * s.used, s.dim);
    test::fill_with_nan(sums);
    const SuffixSums<T> work{
        .gradient = gradient.matrix(), .levels = s.levels, .used = s.used, .sums = &sums};
    add_up(work, s.rows / 2, s.rows);
    add_up(work, 0, s.rows / 2);
    Table<double> expected(s.rows * s.used, sums.slices() * slice_width<T>);  // what fills up is 0
    for (std::int64_t b = 0; b < s.rows; ++b) {
      for (std::int64_t l = 0; l < s.levels; ++l) {
        for (std::int64_t m = 0; m <= std::min(l, s.used - 1); ++m) {
          for (std::int64_t d = 0; d < s.dim; ++d) expected(b * s.used + m, d) += gradient(l * s.rows + b, d);
        }
      }
    }
    EXPECT_LE(test::difference(test::unpack(sums), expected), levels_tolerance<T>);
  }
}

TYPED_TEST(Reconstructs, EntriesOfColumnsGoBackToTheirRows) {
  using T = TypeParam;
  for (const std::int64_t rows : {1, 128, 300}) {
    constexpr std::int64_t latents = 37;
    test::Random random(3);
    const auto entries = test::random_entries<T>(rows, latents, 2, 0.3, random);
    auto columns = test::by_latent<T>(entries, rows, latents);
    Table<T> expected(rows, latents), found(rows, latents, nan_of<T>, 2);
    auto sorted = entries;
    test::sort_by_latent(sorted);
    T next = 1;
    test::for_each_entry(sorted, columns, [&](const auto& entry, auto& chunk, std::int64_t at) {
      expected(entry.row, entry.latent) = chunk.gradient[at] = next;
      next += 1;
    });
    for (std::int64_t c = 0; c < test::chunks_of(rows); ++c) {
      const auto first = c * chunk_rows;
      auto part = found.matrix();
      part.data = part.row(first);
      part.rows = std::min(chunk_rows, rows - first);
      to_rows(columns[static_cast<std::size_t>(c)], part);
    }
    EXPECT_TRUE(test::same_bits(found, expected));
    EXPECT_TRUE(found.gaps_hold(nan_of<T>));
  }
}

}  // namespace
}  // namespace msae::kernels
