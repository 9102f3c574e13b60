#include "kernels/cpu/decode.h"

#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Entry;
using test::Table;

struct DecodeShape {
  std::int64_t rows, dim, latents, tile, levels, used, slots;
  double density;
};

std::ostream& operator<<(std::ostream& out, const DecodeShape& s) {
  return out << s.rows << " x " << s.dim << ", " << s.latents << " latents, tile " << s.tile << ", levels "
             << s.levels << ", used " << s.used << ", slots " << s.slots << ", density " << s.density;
}

constexpr DecodeShape decode_shapes[] = {
    {1, 1, 1, 1536, 1, 1, 1, 1},
    {2, 5, 7, 3, 4, 4, 5, 0.5},
    {127, 63, 16, 1536, 3, 2, 2, 0.5},
    {128, 64, 33, 16, 2, 1, 1, 1},
    {129, 65, 100, 33, 8, 8, 9, 0.2},
    {300, 130, 33, 1536, 5, 4, 5, 0.1},
    {129, 128, 1536 + 5, 1536, 2, 2, 2, 0.05},
    {300, 1, 100, 99, 1, 1, 2, 0},
    {2, 130, 1536 + 5, 1536, 254, 254, 255, 1},
    {127, 128, 7, 1, 6, 6, 6, 0.5},
};

// A decode of random numbers, with all that it reads.
template <typename T>
struct Decoding {
  explicit Decoding(const DecodeShape& s)
      : shape(s),
        random(static_cast<std::uint64_t>(s.rows + s.dim)),
        entries(test::random_entries<T>(s.rows, s.latents, s.used, s.density, random)),
        chunks(test::by_row<T>(entries, s.rows, s.latents, s.tile, s.levels)),
        decoder(s.latents, s.dim),
        target(s.rows, s.dim),
        weight(1, s.used),
        row_weight(1, s.rows),
        error(s.rows, s.used, 0.5) {
    test::slice_up(decoder.fill_with(random), sliced_decoder);
    test::slice_up(target.fill_with(random), sliced_target);
    weight.fill_with(random);
    row_weight.fill_with(random);
    row_weight(0, s.rows / 2) = 0;
    gradient.resize(s.rows * s.slots, s.dim);
    test::fill_with_nan(gradient);
  }

  Decode<T> work() {
    return {.chunks = chunks,
            .levels = shape.levels,
            .used = shape.used,
            .decoder = &sliced_decoder,
            .tile = shape.tile,
            .target = &sliced_target,
            .weight = weight.data(),
            .row_weight = row_weight.data(),
            .slots = shape.slots,
            .gradient = &gradient,
            .error = error.data()};
  }

  // e_l of all rows: [rows, dim].
  Table<double> error_of_level(std::int64_t level) const {
    Table<double> e(shape.rows, shape.dim);
    for (std::int64_t b = 0; b < shape.rows; ++b) {
      for (std::int64_t d = 0; d < shape.dim; ++d) e(b, d) = -static_cast<double>(target(b, d));
    }
    for (const auto& entry : entries) {
      if (entry.level > level) continue;
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        e(entry.row, d) += entry.value * static_cast<double>(decoder(entry.latent, d));
      }
    }
    return e;
  }

  DecodeShape shape;
  test::Random random;
  std::vector<Entry> entries;
  std::vector<ChunkEntries<T>> chunks;
  Table<T> decoder, target, weight, row_weight;
  Sliced<T> sliced_decoder, sliced_target, gradient;
  Table<double> error;
};

template <typename T>
constexpr double decode_tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;

template <typename T>
class Decodes : public testing::Test {};
TYPED_TEST_SUITE(Decodes, test::Precisions);

TYPED_TEST(Decodes, EveryLevelAndItsGradient) {
  using T = TypeParam;
  for (const auto& shape : decode_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Decoding<T> decoding(shape);
    decode(decoding.work(), 0, test::chunks_of(shape.rows));
    // What fills up the last slice stays 0.
    Table<double> gradient(shape.rows * shape.slots, decoding.gradient.slices() * slice_width<T>);
    Table<double> error(shape.rows, shape.used, 0.5);
    for (std::int64_t l = 0; l < shape.used; ++l) {
      const auto e = decoding.error_of_level(l);
      for (std::int64_t b = 0; b < shape.rows; ++b) {
        const auto weight =
            static_cast<double>(decoding.weight(0, l)) * static_cast<double>(decoding.row_weight(0, b));
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          error(b, l) += e(b, d) * e(b, d);
          for (std::int64_t m = 0; m <= l; ++m) gradient(b * shape.slots + m, d) += weight * e(b, d);
          if (l + 1 == shape.used && shape.slots > shape.used) gradient(b * shape.slots + l + 1, d) = e(b, d);
        }
      }
    }
    EXPECT_LE(test::difference(test::unpack(decoding.gradient), gradient), decode_tolerance<T>);
    EXPECT_LE(test::difference(decoding.error, error), decode_tolerance<T>);
  }
}

TYPED_TEST(Decodes, ChunkByChunkAsAllAtOnce) {
  using T = TypeParam;
  for (const auto& shape : decode_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Decoding<T> whole(shape), parts(shape);
    const auto chunks = test::chunks_of(shape.rows);
    decode(whole.work(), 0, chunks);
    for (auto chunk = chunks - 1; chunk >= 0; --chunk) decode(parts.work(), chunk, chunk + 1);
    EXPECT_TRUE(test::same_bits(test::unpack(whole.gradient), test::unpack(parts.gradient)));
    EXPECT_TRUE(test::same_bits(whole.error, parts.error));
  }
}

TYPED_TEST(Decodes, TheWidestLevelFromWhatOthersHaveMadeOfIt) {
  using T = TypeParam;
  for (const auto& shape : decode_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Decoding<T> sparse(shape), dense(shape);
    Table<T> widest(shape.rows, shape.dim);
    for (const auto& entry : dense.entries) {
      if (entry.level + 1 != shape.used) continue;
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        widest(entry.row, d) += static_cast<T>(entry.value) * dense.decoder(entry.latent, d);
      }
    }
    decode(sparse.work(), 0, test::chunks_of(shape.rows));
    auto work = dense.work();
    work.widest = widest.data();
    decode(work, 0, test::chunks_of(shape.rows));
    EXPECT_LE(test::difference(test::unpack(dense.gradient), test::unpack(sparse.gradient)),
              decode_tolerance<T>);
    EXPECT_LE(test::difference(dense.error, sparse.error), decode_tolerance<T>);
  }
}

TYPED_TEST(Decodes, WhatDeadLatentsExplainOfTheResidual) {
  using T = TypeParam;
  for (auto shape : decode_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    shape.levels = shape.used = 1;
    Decoding<T> decoding(shape);
    auto& gradient = decoding.gradient;  // whose other slots nobody may touch
    Table<double> expected(shape.rows * shape.slots, gradient.slices() * slice_width<T>);
    for (std::int64_t i = 0; i < gradient.rows(); ++i) {
      for (std::int64_t d = 0; d < gradient.slices() * slice_width<T>; ++d) {
        const auto value = static_cast<T>(d < shape.dim ? decoding.random.number() : 0);
        gradient.slice(d / slice_width<T>)[i * slice_width<T> + d % slice_width<T>] = value;
        expected(i, d) = value;
      }
    }
    Table<double> found_error(1, shape.rows, 0.25), error = found_error;
    const DecodeAuxiliary<T> work{.chunks = decoding.chunks,
                                  .decoder = &decoding.sliced_decoder,
                                  .tile = shape.tile,
                                  .row_weight = decoding.row_weight.data(),
                                  .slots = shape.slots,
                                  .gradient = &gradient,
                                  .error = found_error.data()};
    for (std::int64_t chunk = 0; chunk < test::chunks_of(shape.rows); ++chunk) decode(work, chunk, chunk + 1);
    for (const auto& entry : decoding.entries) {
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        expected((entry.row + 1) * shape.slots - 1, d) +=
            entry.value * static_cast<double>(decoding.decoder(entry.latent, d));
      }
    }
    for (std::int64_t b = 0; b < shape.rows; ++b) {
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        auto& e = expected((b + 1) * shape.slots - 1, d);
        error(0, b) += e * e;
        e *= static_cast<double>(decoding.row_weight(0, b));
      }
    }
    EXPECT_LE(test::difference(test::unpack(gradient), expected), decode_tolerance<T>);
    EXPECT_LE(test::difference(found_error, error), decode_tolerance<T>);
  }
}

TYPED_TEST(Decodes, SumsOfOneSlotOverAllRows) {
  using T = TypeParam;
  for (const std::int64_t rows : {1, 2, 127, 300}) {
    for (const std::int64_t dim : {1, 64, 130}) {
      for (const std::int64_t slots : {1, 3}) {
        test::Random random(5);
        const auto gradient = Table<T>(rows * slots, dim).fill_with(random);
        Sliced<T> sliced;
        test::slice_up(gradient, sliced);
        for (std::int64_t slot = 0; slot < slots; ++slot) {
          Table<double> expected(1, dim + 1, -7);
          Table<T> found(1, dim + 1, -7);  // beyond the last one nothing is written
          for (std::int64_t d = 0; d < dim; ++d) {
            expected(0, d) = 0;
            for (std::int64_t b = 0; b < rows; ++b) expected(0, d) += gradient(b * slots + slot, d);
          }
          for (std::int64_t s = 0; s < sliced.slices(); ++s) {
            sum_rows(sliced, slots, slot, s, found.data() + s * slice_width<T>);
          }
          EXPECT_EQ(found(0, dim), -7);
          EXPECT_LE(test::difference(found, expected), decode_tolerance<T>) << rows << " x " << dim;
        }
      }
    }
  }
}

}  // namespace
}  // namespace msae::kernels
