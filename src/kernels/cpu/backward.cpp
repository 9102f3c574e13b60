#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/backward.cpp"
#include "kernels/cpu/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>

#include "kernels/cpu/backward.h"
#include "kernels/cpu/runs.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {
namespace {

// Dot products whose lanes are still to be added up.
template <typename T>
class Sums {
 public:
  using Vectors = Strip<T>;
  static constexpr int size = 16 / static_cast<int>(sizeof(T));  // as many as a block of 128 bits has numbers

  Sums() = default;  // an implicit one would have no instruction set

  HWY_INLINE void put(int i, typename Vectors::Vector lanes) { lanes_[i] = lanes; }

  // to[i] += the sum of lanes of the i-th, for all of them.
  HWY_INLINE void add_to(T* HWY_RESTRICT to) const {
#if HWY_TARGET == HWY_SCALAR
    for (int i = 0; i < size; ++i) to[i] += hn::GetLane(lanes_[i]);
#else
    const hn::CappedTag<T, size> block;
    const typename Vectors::Tag d;
    hn::StoreU(hn::Add(hn::LoadU(block, to), add_blocks(d, transposed_sum(d))), block, to);
#endif
  }

 private:
#if HWY_TARGET != HWY_SCALAR
  // Block by block, a vector of sums.
  template <class D>
  HWY_INLINE typename Vectors::Vector transposed_sum(D d) const {
    if constexpr (sizeof(T) == 8) {
      return folded(d, lanes_[0], lanes_[1]);
    } else {
      const hn::Repartition<double, D> pairs;
      const auto a = hn::BitCast(pairs, folded(d, lanes_[0], lanes_[1]));
      const auto b = hn::BitCast(pairs, folded(d, lanes_[2], lanes_[3]));
      return hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)),
                     hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)));
    }
  }
  template <class D, class V>
  static HWY_INLINE V folded(D d, V a, V b) {
    return hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  }

  template <class D, class V>
  static HWY_INLINE auto add_blocks(D d, V v) {
    if constexpr (hn::MaxLanes(d) <= size) {
      return v;
    } else {
      const hn::Half<D> half;
      return add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
  }
#endif

  typename Vectors::Vector lanes_[size];
};

// One latent's entries in one chunk, begin..end.
template <typename T>
HWY_INLINE void backward_run(const std::uint32_t* HWY_RESTRICT place, const T* HWY_RESTRICT value,
                             T* HWY_RESTRICT ds, std::int64_t begin, std::int64_t end,
                             const T* HWY_RESTRICT gradient, std::int64_t slots,
                             const T* HWY_RESTRICT decoder, T* HWY_RESTRICT decoder_gradient) {
  using Vectors = Strip<T>;
  const auto row_of = [&](std::int64_t i) {
    return gradient + ((place[i] >> 8) * slots + (place[i] & 255)) * slice_width<T>;
  };
  for (int strip = 0; strip < Vectors::strips; ++strip) {
    const auto offset = strip * Vectors::width;
    const auto weights = Vectors::load(decoder + offset);
    auto sum = Vectors::load(decoder_gradient + offset);
    // Of the next latent: few entries of each are in a chunk.
    Vectors::prefetch(decoder + slice_width<T> + offset);
    Vectors::prefetch(decoder_gradient + slice_width<T> + offset);
    for (auto i = begin; i < end; i += Sums<T>::size) {
      hwy::Prefetch(place + i + entries_ahead);
      hwy::Prefetch(value + i + entries_ahead);
      hwy::Prefetch(ds + i + entries_ahead);
      Sums<T> sums;
      for (int k = 0; k < Sums<T>::size; ++k) {
        const auto g = Vectors::load(row_of(i + k) + offset);
        sum.add_product(value[i + k], g);
        sums.put(k, g.products(weights));
      }
      sums.add_to(ds + i);
    }
    sum.store(decoder_gradient + offset);
  }
}

template <typename T>
void decoder_slice(const DecoderBackward<T>& work, std::int64_t slice, std::int64_t first, std::int64_t last,
                   T* sums) {
  for (std::size_t c = 0; c < work.chunks.size(); ++c) {
    auto& columns = work.chunks[c];
    const auto first_row = static_cast<std::int64_t>(c) * chunk_rows;
    const auto* gradient = work.gradient->slice(slice) + first_row * work.slots * slice_width<T>;
    for (auto j = first; j < last; ++j) {
      backward_run(columns.place.data(), columns.value.data(), columns.gradient.data(), columns.begin[j],
                   columns.begin[j + 1], gradient, work.slots,
                   work.decoder->slice(slice) + j * slice_width<T>, sums + (j - first) * slice_width<T>);
    }
  }
}

template <typename T>
void encoder_slice(const EncoderBackward<T>& work, std::int64_t slice, std::int64_t first, std::int64_t last,
                   T* sums) {
  using Vectors = Strip<T>;
  for (std::size_t c = 0; c < work.chunks.size(); ++c) {
    const auto& columns = work.chunks[c];
    const auto* HWY_RESTRICT place = columns.place.data();
    const auto* HWY_RESTRICT dp = columns.gradient.data();
    const auto first_row = static_cast<std::int64_t>(c) * chunk_rows;
    for (int strip = 0; strip < Vectors::strips; ++strip) {
      const auto offset = strip * Vectors::width;
      const auto* HWY_RESTRICT input = work.input->slice(slice) + first_row * slice_width<T> + offset;
      for (auto j = first; j < last; ++j) {
        auto* HWY_RESTRICT to = sums + (j - first) * slice_width<T> + offset;
        auto even = Vectors::load(to), odd = Vectors::zero();
        Vectors::prefetch(to + slice_width<T>);
        const auto end = columns.begin[j + 1];
        for (auto i = columns.begin[j]; i < end; i += 4) {
          hwy::Prefetch(place + i + entries_ahead);
          hwy::Prefetch(dp + i + entries_ahead);
          even.add_product(dp[i], input + (place[i] >> 8) * slice_width<T>);
          odd.add_product(dp[i + 1], input + (place[i + 1] >> 8) * slice_width<T>);
          even.add_product(dp[i + 2], input + (place[i + 2] >> 8) * slice_width<T>);
          odd.add_product(dp[i + 3], input + (place[i + 3] >> 8) * slice_width<T>);
        }
        even.add(odd);
        even.store(to);
      }
    }
  }
}

}  // namespace

void decoder_slice32(const DecoderBackward<float>& work, std::int64_t slice, std::int64_t first,
                     std::int64_t last, float* sums) {
  decoder_slice(work, slice, first, last, sums);
}
void decoder_slice64(const DecoderBackward<double>& work, std::int64_t slice, std::int64_t first,
                     std::int64_t last, double* sums) {
  decoder_slice(work, slice, first, last, sums);
}
void encoder_slice32(const EncoderBackward<float>& work, std::int64_t slice, std::int64_t first,
                     std::int64_t last, float* sums) {
  encoder_slice(work, slice, first, last, sums);
}
void encoder_slice64(const EncoderBackward<double>& work, std::int64_t slice, std::int64_t first,
                     std::int64_t last, double* sums) {
  encoder_slice(work, slice, first, last, sums);
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace msae::kernels {
namespace {

HWY_EXPORT(decoder_slice32);
HWY_EXPORT(decoder_slice64);
HWY_EXPORT(encoder_slice32);
HWY_EXPORT(encoder_slice64);

// What the sums of a slice start from.
template <typename T>
void start_slice(bool adds, const Matrix<T>& from, std::int64_t slice, std::int64_t width, std::int64_t first,
                 std::int64_t last, T* sums) {
  std::fill_n(sums, (last - first) * slice_width<T>, T{0});
  for (auto j = first; adds && j < last; ++j) {
    std::copy_n(from.row(j) + slice * slice_width<T>, width, sums + (j - first) * slice_width<T>);
  }
}

template <typename T>
void copy_slice(const T* sums, std::int64_t slice, std::int64_t width, std::int64_t first, std::int64_t last,
                const Matrix<T>& to) {
  for (auto j = first; j < last; ++j) {
    std::copy_n(sums + (j - first) * slice_width<T>, width, to.row(j) + slice * slice_width<T>);
  }
}

}  // namespace

template <typename T>
void backward(const DecoderBackward<T>& work, std::int64_t first, std::int64_t last, T* sums) {
  for (auto& columns : work.chunks) {
    std::fill(columns.gradient.data() + columns.begin[first], columns.gradient.data() + columns.begin[last],
              T{0});
  }
  for (std::int64_t slice = 0; slice < work.decoder->slices(); ++slice) {
    start_slice(work.adds, work.decoder_gradient, slice, work.decoder->width(slice), first, last, sums);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(decoder_slice32)(work, slice, first, last, sums);
    } else {
      HWY_DYNAMIC_DISPATCH(decoder_slice64)(work, slice, first, last, sums);
    }
    copy_slice(sums, slice, work.decoder->width(slice), first, last, work.decoder_gradient);
  }
}

template <typename T>
void backward(const Slope<T>& work, std::int64_t first, std::int64_t last) {
  if (!work.adds) std::fill(work.latent_bias_gradient + first, work.latent_bias_gradient + last, T{0});
  const auto* row_l1 = work.row_l1;
  for (auto& columns : work.chunks) {
    for (auto j = first; j < last; ++j) {
      T sum = 0;
      for (auto i = columns.begin[j]; i < columns.begin[j + 1]; ++i) {
        auto& gradient = columns.gradient[i];
        if (columns.value[i] == 0) gradient = 0;  // an entry that fills up
        const auto of_model = columns.value[i] != 0 && (columns.place[i] & 255) == 0;  // nor an auxiliary one
        if (row_l1 && of_model) gradient += row_l1[columns.place[i] >> 8];
        if (work.soft_cap > 0) {
          const auto share = columns.value[i] / work.soft_cap;
          gradient *= 1 - share * share;
        }
        sum += gradient;
      }
      work.latent_bias_gradient[j] += sum;
    }
    if (row_l1) row_l1 += chunk_rows;
  }
}

template <typename T>
void backward(const EncoderBackward<T>& work, std::int64_t first, std::int64_t last, T* sums) {
  for (std::int64_t slice = 0; slice < work.input->slices(); ++slice) {
    start_slice(work.adds, work.encoder_gradient, slice, work.input->width(slice), first, last, sums);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(encoder_slice32)(work, slice, first, last, sums);
    } else {
      HWY_DYNAMIC_DISPATCH(encoder_slice64)(work, slice, first, last, sums);
    }
    copy_slice(sums, slice, work.input->width(slice), first, last, work.encoder_gradient);
  }
}

template void backward(const DecoderBackward<float>&, std::int64_t, std::int64_t, float*);
template void backward(const DecoderBackward<double>&, std::int64_t, std::int64_t, double*);
template void backward(const Slope<float>&, std::int64_t, std::int64_t);
template void backward(const Slope<double>&, std::int64_t, std::int64_t);
template void backward(const EncoderBackward<float>&, std::int64_t, std::int64_t, float*);
template void backward(const EncoderBackward<double>&, std::int64_t, std::int64_t, double*);

}  // namespace msae::kernels
#endif
