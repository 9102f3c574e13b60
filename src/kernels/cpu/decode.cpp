#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/decode.cpp"
#include "kernels/cpu/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "kernels/cpu/decode.h"
#include "kernels/cpu/runs.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {
namespace {

// From the levels' sums of products to their gradients.
template <typename T>
HWY_INLINE void finish_row(const Decode<T>& work, const T* HWY_RESTRICT target, T row_weight,
                           T* HWY_RESTRICT gradient, double* HWY_RESTRICT error) {
  using Vectors = Strip<T>;
  for (int strip = 0; strip < Vectors::strips; ++strip) {
    auto* g = gradient + strip * Vectors::width;
    auto e = Vectors::zero();
    e.subtract(Vectors::load(target + strip * Vectors::width));
    for (std::int64_t l = 0; l < work.used; ++l) {
      auto* at = g + l * slice_width<T>;
      e.add(Vectors::load(at));
      error[l] += static_cast<double>(e.sum_of_squares());
      e.scaled(work.weight[l] * row_weight).store(at);
    }
    if (work.slots > work.used) e.store(g + work.used * slice_width<T>);
    for (auto l = work.used - 2; l >= 0; --l) {
      auto* at = g + l * slice_width<T>;
      auto suffix = Vectors::load(at + slice_width<T>);
      suffix.add(Vectors::load(at));
      suffix.store(at);
    }
  }
}

template <typename T>
void decode_slice(const Decode<T>& work, std::int64_t slice, std::int64_t first_chunk,
                  std::int64_t last_chunk) {
  const auto* dictionary = work.decoder->slice(slice);
  const auto sparse = work.widest ? work.used - 1 : work.used;
  const auto tiles = (work.decoder->rows() + work.tile - 1) / work.tile;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    for (auto c = first_chunk; c < last_chunk; ++c) {
      const auto& chunk = work.chunks[static_cast<std::size_t>(c)];
      for (std::int64_t i = 0; i < chunk.rows; ++i) {
        const auto row = c * chunk_rows + i;
        auto* gradient = work.gradient->slice(slice) + row * work.slots * slice_width<T>;
        const auto* run = chunk.run.data() + i * chunk.runs_per_row + tile * work.levels;
        for (std::int64_t l = 0; l < sparse; ++l) {
          auto* sum = gradient + l * slice_width<T>;
          if (tile == 0) {
            add_entries<false>(dictionary, chunk.latent.data(), chunk.value.data(), run[l], run[l + 1], sum);
          } else {
            add_entries<true>(dictionary, chunk.latent.data(), chunk.value.data(), run[l], run[l + 1], sum);
          }
        }
        if (tile + 1 == tiles) {
          if (work.widest) {
            auto* to = gradient + sparse * slice_width<T>;
            const auto width = work.target->width(slice);
            const auto* from = work.widest + row * work.target->columns() + slice * slice_width<T>;
            std::fill(std::copy_n(from, width, to), to + slice_width<T>, T{0});
          }
          finish_row(work, work.target->slice(slice) + row * slice_width<T>, work.row_weight[row], gradient,
                     work.error + row * work.used);
        }
      }
    }
  }
}

template <typename T>
void decode_auxiliary_slice(const DecodeAuxiliary<T>& work, std::int64_t slice, std::int64_t first_chunk,
                            std::int64_t last_chunk) {
  using Vectors = Strip<T>;
  const auto tiles = (work.decoder->rows() + work.tile - 1) / work.tile;
  for (auto c = first_chunk; c < last_chunk; ++c) {
    const auto& chunk = work.chunks[static_cast<std::size_t>(c)];
    for (std::int64_t i = 0; i < chunk.rows; ++i) {
      const auto row = c * chunk_rows + i;
      auto* g = work.gradient->slice(slice) + ((row + 1) * work.slots - 1) * slice_width<T>;
      add_entries<true>(work.decoder->slice(slice), chunk.latent.data(), chunk.value.data(),
                        chunk.run[i * tiles], chunk.run[(i + 1) * tiles], g);
      for (int strip = 0; strip < Vectors::strips; ++strip) {
        const auto e = Vectors::load(g + strip * Vectors::width);
        work.error[row] += static_cast<double>(e.sum_of_squares());
        e.scaled(work.row_weight[row]).store(g + strip * Vectors::width);
      }
    }
  }
}

template <typename T>
void sum_slice(const T* HWY_RESTRICT rows, std::int64_t count, std::int64_t stride, T* HWY_RESTRICT sums) {
  using Vectors = Strip<T>;
  for (int strip = 0; strip < Vectors::strips; ++strip) {
    auto sum = Vectors::zero();
    for (std::int64_t i = 0; i < count; ++i)
      sum.add(Vectors::load(rows + i * stride + strip * Vectors::width));
    sum.store(sums + strip * Vectors::width);
  }
}

}  // namespace

void decode_slice32(const Decode<float>& work, std::int64_t slice, std::int64_t first, std::int64_t last) {
  decode_slice(work, slice, first, last);
}
void decode_slice64(const Decode<double>& work, std::int64_t slice, std::int64_t first, std::int64_t last) {
  decode_slice(work, slice, first, last);
}
void decode_auxiliary32(const DecodeAuxiliary<float>& work, std::int64_t slice, std::int64_t first,
                        std::int64_t last) {
  decode_auxiliary_slice(work, slice, first, last);
}
void decode_auxiliary64(const DecodeAuxiliary<double>& work, std::int64_t slice, std::int64_t first,
                        std::int64_t last) {
  decode_auxiliary_slice(work, slice, first, last);
}
void sum_slice32(const float* rows, std::int64_t count, std::int64_t stride, float* sums) {
  sum_slice(rows, count, stride, sums);
}
void sum_slice64(const double* rows, std::int64_t count, std::int64_t stride, double* sums) {
  sum_slice(rows, count, stride, sums);
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace msae::kernels {
namespace {

HWY_EXPORT(decode_slice32);
HWY_EXPORT(decode_slice64);
HWY_EXPORT(decode_auxiliary32);
HWY_EXPORT(decode_auxiliary64);
HWY_EXPORT(sum_slice32);
HWY_EXPORT(sum_slice64);

}  // namespace

template <typename T>
void decode(const Decode<T>& work, std::int64_t first_chunk, std::int64_t last_chunk) {
  for (std::int64_t slice = 0; slice < work.decoder->slices(); ++slice) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(decode_slice32)(work, slice, first_chunk, last_chunk);
    } else {
      HWY_DYNAMIC_DISPATCH(decode_slice64)(work, slice, first_chunk, last_chunk);
    }
  }
}

template <typename T>
void decode(const DecodeAuxiliary<T>& work, std::int64_t first_chunk, std::int64_t last_chunk) {
  for (std::int64_t slice = 0; slice < work.decoder->slices(); ++slice) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(decode_auxiliary32)(work, slice, first_chunk, last_chunk);
    } else {
      HWY_DYNAMIC_DISPATCH(decode_auxiliary64)(work, slice, first_chunk, last_chunk);
    }
  }
}

template <typename T>
void sum_rows(const Sliced<T>& gradient, std::int64_t slots, std::int64_t slot, std::int64_t slice, T* sums) {
  const auto* rows = gradient.slice(slice) + slot * slice_width<T>;
  const auto stride = slots * slice_width<T>, count = gradient.rows() / slots;
  T all[slice_width<T>];
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(sum_slice32)(rows, count, stride, all);
  } else {
    HWY_DYNAMIC_DISPATCH(sum_slice64)(rows, count, stride, all);
  }
  std::copy_n(all, gradient.width(slice), sums);
}

template void decode(const Decode<float>&, std::int64_t, std::int64_t);
template void decode(const Decode<double>&, std::int64_t, std::int64_t);
template void decode(const DecodeAuxiliary<float>&, std::int64_t, std::int64_t);
template void decode(const DecodeAuxiliary<double>&, std::int64_t, std::int64_t);
template void sum_rows(const Sliced<float>&, std::int64_t, std::int64_t, std::int64_t, float*);
template void sum_rows(const Sliced<double>&, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace msae::kernels
#endif
