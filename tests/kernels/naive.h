// Data for tests of the kernels, and their sparse matrices as plain lists, whose layouts are checked here
// once.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <tuple>
#include <type_traits>
#include <vector>

#include "kernels/cpu/layout.h"

namespace msae::kernels::test {

using Precisions = testing::Types<float, double>;

template <typename T>
inline constexpr T nan_of = std::numeric_limits<T>::quiet_NaN();

/// The same numbers with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// From -1 to 1.
  double number() {
    return static_cast<double>(engine_() >> 11) / static_cast<double>(std::uint64_t{1} << 52) - 1;
  }
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(count));
  }
  bool chance(double probability) { return number() < 2 * probability - 1; }

 private:
  std::mt19937_64 engine_;
};

/// A dense matrix.
template <typename T>
class Table {
 public:
  Table() = default;
  /// \param gap values between two rows, which nobody may touch
  Table(std::int64_t row_count, std::int64_t column_count, T value = {}, std::int64_t gap = 0)
      : rows_(row_count),
        columns_(column_count),
        stride_(column_count + gap),
        values_(static_cast<std::size_t>(row_count * stride_), value) {}

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  T& operator()(std::int64_t i, std::int64_t j) { return data()[i * stride_ + j]; }
  const T& operator()(std::int64_t i, std::int64_t j) const { return data()[i * stride_ + j]; }
  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  Matrix<T> matrix() { return {data(), rows_, columns_, stride_}; }
  Matrix<const T> matrix() const { return {data(), rows_, columns_, stride_}; }

  /// Whether all gaps hold `value`, or NaN where that is NaN.
  bool gaps_hold(T value) const {
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (auto j = columns_; j < stride_; ++j) {
        const auto found = data()[i * stride_ + j];
        if (found != value && !(found != found && value != value)) return false;
      }
    }
    return true;
  }

  Table& fill_with(Random& random, double scale = 1) {
    for (auto& value : values_) value = static_cast<T>(scale * random.number());
    return *this;
  }

 private:
  std::int64_t rows_ = 0, columns_ = 0, stride_ = 0;
  std::vector<T> values_;
};

/// |a - b|
template <typename A, typename B>
double distance(const Table<A>& a, const Table<B>& b) {
  double square = 0;
  for (std::int64_t i = 0; i < b.rows(); ++i) {
    for (std::int64_t j = 0; j < b.columns(); ++j) {
      const auto off = static_cast<double>(a(i, j)) - static_cast<double>(b(i, j));
      square += off * off;
    }
  }
  return std::sqrt(square);
}

/// |a|
template <typename T>
double size_of(const Table<T>& a) {
  return distance(a, Table<T>(a.rows(), a.columns()));
}

/// |actual - expected| / |expected|, or |actual| where nothing is expected.
template <typename A, typename E>
double difference(const Table<A>& actual, const Table<E>& expected) {
  const auto size = size_of(expected);
  return distance(actual, expected) / (size > 0 ? size : 1);
}

/// Bit by bit, so that NaN is like itself and 0 not like -0.
template <typename T>
bool same_bits(const Table<T>& a, const Table<T>& b) {
  using Bits = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>;
  if (a.rows() != b.rows() || a.columns() != b.columns()) return false;
  for (std::int64_t i = 0; i < a.rows(); ++i) {
    for (std::int64_t j = 0; j < a.columns(); ++j) {
      if (std::bit_cast<Bits>(a(i, j)) != std::bit_cast<Bits>(b(i, j))) return false;
    }
  }
  return true;
}

/// [rows, slices * slice_width], what fills up the last slice included.
template <typename T>
Table<T> unpack(const Sliced<T>& sliced) {
  Table<T> table(sliced.rows(), sliced.slices() * slice_width<T>);
  for (std::int64_t s = 0; s < sliced.slices(); ++s) {
    for (std::int64_t i = 0; i < sliced.rows(); ++i) {
      const auto* row = sliced.slice(s) + i * slice_width<T>;
      std::copy_n(row, slice_width<T>, &table(i, s * slice_width<T>));
    }
  }
  return table;
}

/// The inverse, from [rows, columns] with zeros beyond them.
template <typename T>
void slice_up(const Table<T>& table, Sliced<T>& sliced) {
  sliced.resize(table.rows(), table.columns());
  for (std::int64_t s = 0; s < sliced.slices(); ++s) {
    for (std::int64_t i = 0; i < sliced.rows(); ++i) {
      for (std::int64_t d = 0; d < slice_width<T>; ++d) {
        const auto column = s * slice_width<T> + d;
        sliced.slice(s)[i * slice_width<T> + d] = column < table.columns() ? table(i, column) : T{0};
      }
    }
  }
}

template <typename T>
void fill_with_nan(Sliced<T>& sliced) {
  for (std::int64_t s = 0; s < sliced.slices(); ++s) {
    std::fill_n(sliced.slice(s), sliced.rows() * slice_width<T>, nan_of<T>);
  }
}

/// A kept latent. A double holds what any T holds.
struct Entry {
  std::int64_t row = 0, latent = 0, level = 0;
  double value = 0;

  friend bool operator==(const Entry& a, const Entry& b) {
    return std::tie(a.row, a.latent, a.level) == std::tie(b.row, b.latent, b.level) &&
           (a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
  }
  friend std::ostream& operator<<(std::ostream& out, const Entry& e) {
    return out << "row " << e.row << " latent " << e.latent << " level " << e.level << " value " << e.value;
  }
};

/// Some latents of every row, none twice, by row and latent; each of a level from 0 to levels - 1.
template <typename T>
std::vector<Entry> random_entries(std::int64_t rows, std::int64_t latents, std::int64_t levels,
                                  double density, Random& random) {
  std::vector<Entry> entries;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t latent = 0; latent < latents; ++latent) {
      if (!random.chance(density)) continue;
      entries.push_back({row, latent, random.below(levels), static_cast<T>(1.01 + random.number())});
    }
  }
  return entries;
}

inline std::int64_t chunks_of(std::int64_t rows) {
  return (rows + chunk_rows - 1) / chunk_rows;
}

/// The order that ChunkEntries has: by row, tile, level, latent.
inline void sort_by_run(std::vector<Entry>& entries, std::int64_t tile) {
  std::sort(entries.begin(), entries.end(), [tile](const Entry& a, const Entry& b) {
    return std::tuple(a.row, a.latent / tile, a.level, a.latent) <
           std::tuple(b.row, b.latent / tile, b.level, b.latent);
  });
}

/// Compressed sparse rows.
template <typename T>
std::vector<ChunkEntries<T>> by_row(std::vector<Entry> entries, std::int64_t rows, std::int64_t latents,
                                    std::int64_t tile, std::int64_t levels) {
  sort_by_run(entries, tile);
  const auto tiles = (latents + tile - 1) / tile;
  std::vector<ChunkEntries<T>> chunks(static_cast<std::size_t>(chunks_of(rows)));
  auto next = entries.begin();
  for (std::int64_t row = 0; row < rows; ++row) {
    auto& chunk = chunks[static_cast<std::size_t>(row / chunk_rows)];
    if (row % chunk_rows == 0) chunk.clear(tiles * levels);
    auto* run = chunk.run.data() + chunk.rows * chunk.runs_per_row;
    auto count = std::int64_t{run[0]};
    for (std::int64_t t = 0; t < tiles; ++t) {
      for (std::int64_t level = 0; level < levels; ++level) {
        for (; next != entries.end() && next->row == row && next->latent / tile == t && next->level == level;
             ++next) {
          chunk.latent.grow(count + 1, count);
          chunk.value.grow(count + 1, count);
          chunk.latent[count] = static_cast<std::uint32_t>(next->latent);
          chunk.value[count++] = static_cast<T>(next->value);
        }
        *++run = static_cast<std::uint32_t>(count);
      }
    }
    ++chunk.rows;
  }
  return chunks;
}

/// What one chunk of compressed sparse rows holds, in its order.
template <typename T>
std::vector<Entry> list_of(const ChunkEntries<T>& chunk, std::int64_t first_row, std::int64_t tile,
                           std::int64_t levels) {
  std::vector<Entry> entries;
  EXPECT_EQ(chunk.run[0], 0U);
  for (std::int64_t i = 0; i < chunk.rows * chunk.runs_per_row; ++i) {
    const auto tile_of_run = i % chunk.runs_per_row / levels;
    for (auto k = chunk.run[i]; k < chunk.run[i + 1]; ++k) {
      const auto latent = std::int64_t{chunk.latent[k]};
      EXPECT_EQ(latent / tile, tile_of_run);
      EXPECT_TRUE(k == chunk.run[i] || latent > chunk.latent[k - 1]) << "a run ascends by latent";
      entries.push_back({first_row + i / chunk.runs_per_row, latent, i % levels, chunk.value[k]});
    }
  }
  return entries;
}

/// The order that ChunkColumns has: by chunk, latent, row.
inline void sort_by_latent(std::vector<Entry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(a.row / chunk_rows, a.latent, a.row) < std::tuple(b.row / chunk_rows, b.latent, b.row);
  });
}

/// Compressed sparse columns.
template <typename T>
std::vector<ChunkColumns<T>> by_latent(std::vector<Entry> entries, std::int64_t rows, std::int64_t latents) {
  sort_by_latent(entries);
  std::vector<ChunkColumns<T>> chunks(static_cast<std::size_t>(chunks_of(rows)));
  auto next = entries.begin();
  for (std::int64_t c = 0; c < chunks_of(rows); ++c) {
    auto& chunk = chunks[static_cast<std::size_t>(c)];
    chunk.begin.reserve(latents + 2);
    std::uint32_t count = 0;
    const auto add = [&](std::int64_t place, double value) {
      chunk.place.grow(count + 1, count);
      chunk.value.grow(count + 1, count);
      chunk.gradient.grow(count + 1, count);
      chunk.place[count] = static_cast<std::uint32_t>(place);
      chunk.gradient[count] = nan_of<T>;
      chunk.value[count++] = static_cast<T>(value);
    };
    for (std::int64_t latent = 0; latent < latents; ++latent) {
      chunk.begin[latent] = count;
      for (; next != entries.end() && next->row / chunk_rows == c && next->latent == latent; ++next) {
        add(next->row % chunk_rows << 8 | next->level, next->value);
      }
      while (count % column_group != 0) add(0, 0);
    }
    chunk.begin[latents] = count;
  }
  return chunks;
}

/// Calls `visit(entry, chunk, index)` for those of compressed sparse columns, in their order.
template <typename T, class Visit>
void for_each_entry(const std::vector<Entry>& by_chunk_latent_row, std::vector<ChunkColumns<T>>& chunks,
                    const Visit& visit) {
  std::int64_t chunk = 0, latent = 0, index = 0;
  for (const auto& entry : by_chunk_latent_row) {
    const auto here = entry.row / chunk_rows;
    if (here != chunk || entry.latent != latent) index = 0;
    chunk = here;
    latent = entry.latent;
    auto& columns = chunks[static_cast<std::size_t>(chunk)];
    visit(entry, columns, columns.begin[latent] + index++);
  }
}

}  // namespace msae::kernels::test
