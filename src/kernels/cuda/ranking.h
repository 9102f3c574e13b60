// Values as keys that rank alike, and where in a histogram of them a rank lies.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// A key has 31 bits; they are looked at from the top, so many at a time.
inline constexpr int top_bits = 12, middle_bits = 10, low_bits = 9;
inline constexpr int top_bins = 1 << top_bits, middle_bins = 1 << middle_bits, low_bins = 1 << low_bits;

__device__ inline std::uint32_t top_of(std::uint32_t key) {
  return key >> (middle_bits + low_bits);
}
__device__ inline std::uint32_t middle_of(std::uint32_t key) {
  return key >> low_bits & (middle_bins - 1);
}
__device__ inline std::uint32_t low_of(std::uint32_t key) {
  return key & (low_bins - 1);
}

/// The bits of a positive value; 0 for one that is not. NaN counts as positive, so that it is seen.
__device__ inline std::uint32_t key_of(float value) {
  constexpr std::uint32_t not_a_number = 0x7fffffffu;
  if (value != value) return not_a_number;
  return value > 0 ? __float_as_uint(value) : 0;
}

__device__ inline bool keeps(const Cut& cut, std::uint32_t key, std::uint32_t latent) {
  return key > cut.key || (key == cut.key && latent < cut.end);
}

/// A row's keys, eight at a time: those of pre [latents] + bias [latents], or 0 where `wanted` is.
struct RowKeys {
  const float* pre;
  const float* bias;
  const std::uint8_t* wanted;
  int latents;

  __device__ std::uint32_t key(int j) const {
    return j < latents && (!wanted || wanted[j] != 0) ? key_of(pre[j] + bias[j]) : 0;
  }
  /// Whether eight are all there, and wanted.
  __device__ bool are_plain(int first) const { return first + group <= latents && !wanted; }
  /// Of eight that are.
  __device__ void keys(int first, const Eight& own, std::uint32_t (&out)[group]) const {
    const Eight b = load(bias + first);
#pragma unroll
    for (int i = 0; i < group; ++i) out[i] = key_of(own.v[i] + b.v[i]);
  }
  __device__ void keys(int first, std::uint32_t (&out)[group]) const {
    if (are_plain(first)) return keys(first, load(pre + first), out);
#pragma unroll
    for (int i = 0; i < group; ++i) out[i] = key(first + i);
  }
};

/// The bin that holds the rank.
template <typename Count>
struct Found {
  std::uint32_t bin;
  Count above;  ///< how many are in bins above it
};

/// From the highest bin down, the one in which the `rank`-th lies, from 1 on; there have to be so many. All
/// of the block's threads have to call it, and all get the answer.
/// \param room [most_warps] of shared memory
template <typename Count>
__device__ Found<Count> find_rank(const Count* histogram, int bins, Count rank, Count* room,
                                  Found<Count>* answer) {
  const int each = (bins + static_cast<int>(blockDim.x) - 1) / static_cast<int>(blockDim.x);
  const int first = static_cast<int>(threadIdx.x) * each;
  const int last = min(first + each, bins);
  Count mine = 0, total = 0;
  for (int i = first; i < last; ++i) mine += histogram[bins - 1 - i];
  Count above = sum_before(mine, room, total);
  if (above < rank && rank <= above + mine) {
    int i = first;
    while (above + histogram[bins - 1 - i] < rank) above += histogram[bins - 1 - i++];
    *answer = {static_cast<std::uint32_t>(bins - 1 - i), above};
  }
  __syncthreads();
  const auto found = *answer;
  __syncthreads();
  return found;
}

/// Which of places, in their order, holds the `rank`-th of things, from 1 on. All of the block's threads have
/// to call it; one of them calls `use` with the place and the things before it.
/// \param sums [most_warps] of shared memory
template <typename Count, typename CountAt, typename Use>
__device__ void find_in_order(int places, Count rank, Count* sums, CountAt count_at, Use use) {
  Count so_far = 0;
  for (int first = 0; first < places && so_far < rank; first += static_cast<int>(blockDim.x)) {
    const int place = first + static_cast<int>(threadIdx.x);
    const Count mine = place < places ? count_at(place) : 0;
    Count total = 0;
    const auto earlier = so_far + sum_before(mine, sums, total);
    if (earlier < rank && rank <= earlier + mine) use(place, earlier);
    so_far += total;
  }
}

}  // namespace msae::kernels::cuda
