// How the kernels lay out matrices and the entries of a sparse one.
#pragma once

#include <cstdint>

#include "kernels/cpu/buffer.h"

namespace msae::kernels {

/// Columns of a matrix that are worked on at a time: a slice of all its rows, contiguous, stays in a core's
/// second cache, and a row of it is eight cache lines.
inline constexpr std::int64_t slice_bytes = 512;
template <typename T>
inline constexpr std::int64_t slice_width = slice_bytes / std::int64_t{sizeof(T)};

/// Latents of a tile: a slice of their decoder rows stays in a core's second cache while rows gather from it.
inline constexpr std::int64_t tile_latents = 1536;

/// Rows of a chunk, the last of which may have fewer: a slice of their inputs and of their levels' gradients
/// stays in the second cache, and each latent has some entries among them.
inline constexpr std::int64_t chunk_rows = 128;

/// Entries of a latent come in such groups.
inline constexpr std::uint32_t column_group = 4;

/// Levels at most: they are bytes.
inline constexpr std::int64_t max_levels = 255;

/// A row-major matrix that somebody else owns.
template <typename T>
struct Matrix {
  T* data = nullptr;
  std::int64_t rows = 0, columns = 0;
  std::int64_t stride = 0;  ///< from row to row

  T* row(std::int64_t i) const { return data + i * stride; }
};

/// The matrix cut into slices, [slices][rows][slice_width], the last slice filled up with zeros.
template <typename T>
class Sliced {
 public:
  /// Whatever it held is lost.
  void resize(std::int64_t rows, std::int64_t columns) {
    rows_ = rows;
    columns_ = columns;
    values_.reserve(slices() * rows * slice_width<T>);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t slices() const { return (columns_ + slice_width<T> - 1) / slice_width<T>; }
  /// Columns of a slice that belong to the matrix.
  std::int64_t width(std::int64_t slice) const {
    const auto left = columns_ - slice * slice_width<T>;
    return left < slice_width<T> ? left : slice_width<T>;
  }
  /// [rows][slice_width]
  T* slice(std::int64_t i) { return values_.data() + i * rows_ * slice_width<T>; }
  const T* slice(std::int64_t i) const { return values_.data() + i * rows_ * slice_width<T>; }
  std::int64_t bytes() const { return values_.bytes(); }

 private:
  Buffer<T> values_;
  std::int64_t rows_ = 0, columns_ = 0;
};

/// Copies some rows of a matrix into slices.
template <typename T>
void pack(const Matrix<const T>& from, std::int64_t first, std::int64_t last, Sliced<T>& to);

/// The latents that some rows keep: compressed sparse rows. A row's entries are grouped into runs, one for
/// each (tile, level), and ascend by latent within a run; tiles are `tile` consecutive latents whose decoder
/// slices fit into the second cache together.
template <typename T>
struct ChunkEntries {
  std::int64_t rows = 0;
  std::int64_t runs_per_row = 1;
  Buffer<std::uint32_t> run;     ///< [rows * runs_per_row + 1], where each run begins
  Buffer<std::uint32_t> latent;  ///< [count]
  Buffer<T> value;               ///< [count], not negative

  std::int64_t count() const { return rows == 0 ? 0 : run[rows * runs_per_row]; }
  /// Begins anew, without rows.
  void clear(std::int64_t new_runs_per_row) {
    rows = 0;
    runs_per_row = new_runs_per_row;
    run.reserve(chunk_rows * runs_per_row + 1);
    run[0] = 0;
  }
  /// Room for so many entries; those that are there stay.
  void grow(std::int64_t entries) {
    latent.grow(entries, count());
    value.grow(entries, count());
  }
  std::int64_t row_begin(std::int64_t row) const { return run[row * runs_per_row]; }
  std::int64_t bytes() const { return run.bytes() + latent.bytes() + value.bytes(); }
};

/// The same entries by latent, and by part and row within it: compressed sparse columns of one chunk. Those
/// of a latent are filled up to a multiple of column_group by entries of value 0 in the first row, so that
/// loops over them have no rest.
template <typename T>
struct ChunkColumns {
  Buffer<std::uint32_t> begin;  ///< [latents + 1] and one to work with, where each latent's entries begin
  Buffer<std::uint32_t> place;  ///< [count], row in the chunk << 8 | level
  Buffer<T> value;              ///< [count]
  Buffer<T> gradient;           ///< [count], of the loss by the value, or by the pre-activation

  std::int64_t bytes() const { return begin.bytes() + place.bytes() + value.bytes() + gradient.bytes(); }
};

}  // namespace msae::kernels
