#include "kernels/cpu/dense.h"

#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Entry;
using test::Table;

struct DenseShape {
  std::int64_t rows, latents, tile, levels;
  double density;
};

std::ostream& operator<<(std::ostream& out, const DenseShape& s) {
  return out << s.rows << " x " << s.latents << ", tile " << s.tile << ", levels " << s.levels << ", density "
             << s.density;
}

constexpr DenseShape dense_shapes[] = {
    {1, 1, 1536, 1, 1},     {2, 7, 3, 4, 0.5},       {127, 16, 1536, 3, 0.5},    {128, 33, 16, 2, 1},
    {129, 100, 33, 8, 0.2}, {300, 33, 1536, 5, 0.1}, {129, 1541, 1536, 2, 0.05}, {300, 100, 99, 1, 0}};

template <typename T>
class Dense : public testing::Test {};
TYPED_TEST_SUITE(Dense, test::Precisions);

TYPED_TEST(Dense, RowsHaveTheLatentsOfOneLevel) {
  using T = TypeParam;
  for (const auto& s : dense_shapes) {
    SCOPED_TRACE(testing::Message() << s);
    test::Random random(1);
    const auto entries = test::random_entries<T>(s.rows, s.latents, s.levels, s.density, random);
    const auto chunks = test::by_row<T>(entries, s.rows, s.latents, s.tile, s.levels);
    for (std::int64_t level = 0; level < s.levels; ++level) {
      Table<T> found(s.rows, s.latents, test::nan_of<T>), expected(s.rows, s.latents);
      to_dense_rows<T>(chunks, s.levels, level, s.latents, found.data());
      for (const auto& entry : entries) {
        if (entry.level == level) expected(entry.row, entry.latent) = static_cast<T>(entry.value);
      }
      EXPECT_TRUE(test::same_bits(found, expected)) << "level " << level;
    }
  }
}

TYPED_TEST(Dense, ColumnsAddTheValuesOrTheGradients) {
  using T = TypeParam;
  for (const auto& s : dense_shapes) {
    SCOPED_TRACE(testing::Message() << s);
    test::Random random(2);
    auto entries = test::random_entries<T>(s.rows, s.latents, s.levels, s.density, random);
    test::sort_by_latent(entries);
    auto chunks = test::by_latent<T>(entries, s.rows, s.latents);
    for (auto& chunk : chunks) std::fill_n(chunk.gradient.data(), chunk.begin[s.latents], T{0});
    Table<T> values(s.latents, s.rows, 1), gradients(s.latents, s.rows, 1), found = values,
                                                                            found_gradients = values;
    test::for_each_entry(entries, chunks, [&](const Entry& entry, ChunkColumns<T>& chunk, std::int64_t i) {
      chunk.gradient[i] = static_cast<T>(random.number());
      values(entry.latent, entry.row) += chunk.value[i];
      gradients(entry.latent, entry.row) += chunk.gradient[i];
    });
    const std::span<const ChunkColumns<T>> columns(chunks);
    const auto middle = s.latents / 3;
    for (const auto& [first, last] : {std::pair(middle, s.latents), std::pair(std::int64_t{0}, middle)}) {
      add_to_dense_columns(columns, false, first, last, s.rows, found.data() + first * s.rows);
      add_to_dense_columns(columns, true, first, last, s.rows, found_gradients.data() + first * s.rows);
    }
    EXPECT_TRUE(test::same_bits(found, values));
    EXPECT_TRUE(test::same_bits(found_gradients, gradients));
  }
}

TYPED_TEST(Dense, GradientsAreTakenForTheEntriesThatThereAre) {
  using T = TypeParam;
  for (const auto& s : dense_shapes) {
    SCOPED_TRACE(testing::Message() << s);
    test::Random random(3);
    auto entries = test::random_entries<T>(s.rows, s.latents, s.levels, s.density, random);
    test::sort_by_latent(entries);
    auto chunks = test::by_latent<T>(entries, s.rows, s.latents);
    const auto dense = Table<T>(s.rows, s.latents).fill_with(random);
    for (std::int64_t c = 0; c < test::chunks_of(s.rows); ++c) {
      take_gradients(&dense(c * chunk_rows, 0), s.latents, chunks[static_cast<std::size_t>(c)]);
    }
    test::for_each_entry(entries, chunks, [&](const Entry& entry, ChunkColumns<T>& chunk, std::int64_t i) {
      EXPECT_EQ(chunk.gradient[i], dense(entry.row, entry.latent)) << entry;
    });
  }
}

TYPED_TEST(Dense, SlotsAreUnpackedRowByRow) {
  using T = TypeParam;
  for (const std::int64_t dim : {1, 64, 130}) {
    test::Random random(4);
    constexpr std::int64_t rows = 10, slots = 3;
    const auto gradient = Table<T>(rows * slots, dim).fill_with(random);
    Sliced<T> sliced;
    test::slice_up(gradient, sliced);
    for (std::int64_t slot = 0; slot < slots; ++slot) {
      Table<T> found(5, dim, test::nan_of<T>), expected(5, dim, test::nan_of<T>);
      unpack(sliced, slots, slot, 3, 7, found.data());
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t d = 0; d < dim; ++d) expected(i, d) = gradient((i + 3) * slots + slot, d);
      }
      EXPECT_TRUE(test::same_bits(found, expected));
    }
  }
}

}  // namespace
}  // namespace msae::kernels
