#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/reconstruct.cpp"
#include "kernels/cpu/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "kernels/cpu/reconstruct.h"
#include "kernels/cpu/runs.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {
namespace {

// What each level adds, of one slice: to sums [rows of the chunks * used, slice_width], which hold zeros. One
// tile of the decoder after the other, as it stays in the second cache.
template <typename T>
void add_levels(const Reconstruct<T>& work, std::int64_t slice, std::int64_t first_chunk,
                std::int64_t last_chunk, T* sums) {
  const auto* dictionary = work.decoder->slice(slice);
  const auto tiles = (work.decoder->rows() + work.tile - 1) / work.tile;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    auto* sum = sums;
    for (auto c = first_chunk; c < last_chunk; ++c) {
      const auto& chunk = work.chunks[static_cast<std::size_t>(c)];
      for (std::int64_t i = 0; i < chunk.rows; ++i) {
        const auto* run = chunk.run.data() + i * chunk.runs_per_row + tile * work.levels;
        for (std::int64_t l = 0; l < work.used; ++l, sum += slice_width<T>) {
          add_entries<true>(dictionary, chunk.latent.data(), chunk.value.data(), run[l], run[l + 1], sum);
        }
      }
    }
  }
}

// From what a row's levels add to what they reconstruct.
template <typename T>
void add_up_levels(std::int64_t levels, T* sums) {
  using Vectors = Strip<T>;
  for (int strip = 0; strip < Vectors::strips; ++strip) {
    auto* at = sums + strip * Vectors::width;
    auto sum = Vectors::load(at);
    for (std::int64_t l = 1; l < levels; ++l) {
      at += slice_width<T>;
      sum.add(Vectors::load(at));
      sum.store(at);
    }
  }
}

template <typename T>
void reconstruct_slice(const Reconstruct<T>& work, std::int64_t slice, std::int64_t first_chunk,
                       std::int64_t last_chunk, std::int64_t rows, T* sums) {
  std::fill_n(sums, rows * work.used * slice_width<T>, T{0});
  add_levels(work, slice, first_chunk, last_chunk, sums);
  for (std::int64_t i = 0; i < rows; ++i) add_up_levels(work.used, sums + i * work.used * slice_width<T>);
}

}  // namespace

void reconstruct_slice32(const Reconstruct<float>& work, std::int64_t slice, std::int64_t first,
                         std::int64_t last, std::int64_t rows, float* sums) {
  reconstruct_slice(work, slice, first, last, rows, sums);
}
void reconstruct_slice64(const Reconstruct<double>& work, std::int64_t slice, std::int64_t first,
                         std::int64_t last, std::int64_t rows, double* sums) {
  reconstruct_slice(work, slice, first, last, rows, sums);
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace msae::kernels {
namespace {

HWY_EXPORT(reconstruct_slice32);
HWY_EXPORT(reconstruct_slice64);

}  // namespace

template <typename T>
void reconstruct(const Reconstruct<T>& work, std::int64_t first_chunk, std::int64_t last_chunk, T* sums) {
  std::int64_t rows = 0;
  for (auto c = first_chunk; c < last_chunk; ++c) rows += work.chunks[static_cast<std::size_t>(c)].rows;
  const auto& to = work.reconstruction;
  const auto first_row = first_chunk * chunk_rows, rows_of_level = to.rows / work.levels;
  for (std::int64_t slice = 0; slice < work.decoder->slices(); ++slice) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(reconstruct_slice32)(work, slice, first_chunk, last_chunk, rows, sums);
    } else {
      HWY_DYNAMIC_DISPATCH(reconstruct_slice64)(work, slice, first_chunk, last_chunk, rows, sums);
    }
    const auto width = work.decoder->width(slice);
    for (std::int64_t l = 0; l < work.levels; ++l) {
      const auto* from = sums + std::min(l, work.used - 1) * slice_width<T>;
      for (std::int64_t i = 0; i < rows; ++i) {
        std::copy_n(from + i * work.used * slice_width<T>, width,
                    to.row(l * rows_of_level + first_row + i) + slice * slice_width<T>);
      }
    }
  }
}

template <typename T>
void add_up(const SuffixSums<T>& work, std::int64_t first, std::int64_t last) {
  const auto rows = work.gradient.rows / work.levels;
  for (std::int64_t slice = 0; slice < work.sums->slices(); ++slice) {
    const auto width = work.sums->width(slice);
    for (auto b = first; b < last; ++b) {
      T sum[slice_width<T>] = {};
      for (auto l = work.levels; l-- > 0;) {
        const auto* gradient = work.gradient.row(l * rows + b) + slice * slice_width<T>;
        for (std::int64_t d = 0; d < width; ++d) sum[d] += gradient[d];
        if (l < work.used) {
          std::copy_n(sum, slice_width<T>, work.sums->slice(slice) + (b * work.used + l) * slice_width<T>);
        }
      }
    }
  }
}

template <typename T>
void to_rows(const ChunkColumns<T>& columns, const Matrix<T>& rows) {
  for (std::int64_t i = 0; i < rows.rows; ++i) std::fill_n(rows.row(i), rows.columns, T{0});
  for (std::int64_t j = 0; j < rows.columns; ++j) {
    for (auto i = columns.begin[j]; i < columns.begin[j + 1]; ++i) {
      if (columns.value[i] != 0) rows.row(columns.place[i] >> 8)[j] = columns.gradient[i];  // 0: fills up
    }
  }
}

template void reconstruct(const Reconstruct<float>&, std::int64_t, std::int64_t, float*);
template void reconstruct(const Reconstruct<double>&, std::int64_t, std::int64_t, double*);
template void add_up(const SuffixSums<float>&, std::int64_t, std::int64_t);
template void add_up(const SuffixSums<double>&, std::int64_t, std::int64_t);
template void to_rows(const ChunkColumns<float>&, const Matrix<float>&);
template void to_rows(const ChunkColumns<double>&, const Matrix<double>&);

}  // namespace msae::kernels
#endif
