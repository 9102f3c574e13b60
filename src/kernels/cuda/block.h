// Sums over the threads of a warp or a block, in an order of their own that never changes.
#pragma once

#include "kernels/cuda/launch.h"

namespace msae::kernels::cuda {

inline constexpr unsigned warp = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;
/// Warps of a block, at most.
inline constexpr unsigned most_warps = 32;

__device__ inline unsigned lane() {
  return threadIdx.x % warp;
}
__device__ inline unsigned warp_of_block() {
  return threadIdx.x / warp;
}
__device__ inline unsigned warps_of_block() {
  return blockDim.x / warp;
}
/// Of a mask of lanes, those before this one.
__device__ inline unsigned before(unsigned mask) {
  return mask & ((1u << lane()) - 1);
}

/// The same in all lanes.
template <typename V>
__device__ V warp_sum(V value) {
#pragma unroll
  for (int step = warp / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

/// The least, the same in all lanes.
template <typename V>
__device__ V warp_least(V value) {
#pragma unroll
  for (int step = warp / 2; step > 0; step /= 2) value = min(value, __shfl_xor_sync(all_lanes, value, step));
  return value;
}

/// The greatest, the same in all lanes.
template <typename V>
__device__ V warp_most(V value) {
#pragma unroll
  for (int step = warp / 2; step > 0; step /= 2) value = max(value, __shfl_xor_sync(all_lanes, value, step));
  return value;
}

/// The same in all threads. All of the block's threads have to call it.
/// \param room [most_warps] of shared memory, free again after the next __syncthreads()
template <typename V>
__device__ V block_sum(V value, V* room) {
  value = warp_sum(value);
  __syncthreads();
  if (lane() == 0) room[warp_of_block()] = value;
  __syncthreads();
  V sum = 0;
  for (unsigned w = 0; w < warps_of_block(); ++w) sum += room[w];
  return sum;
}

/// What the lanes up to this one have, together.
template <typename V>
__device__ V sum_upto(V value) {
#pragma unroll
  for (unsigned step = 1; step < warp; step *= 2) {
    const V other = __shfl_up_sync(all_lanes, value, step);
    if (lane() >= step) value += other;
  }
  return value;
}

/// What the threads before this one have, together; `total` gets what all have. All threads have to call it.
template <typename V>
__device__ V sum_before(V value, V* room, V& total) {
  const V upto = sum_upto(value);
  __syncthreads();
  if (lane() == warp - 1) room[warp_of_block()] = upto;
  __syncthreads();
  V earlier = 0;
  total = 0;
  for (unsigned w = 0; w < warps_of_block(); ++w) {
    if (w < warp_of_block()) earlier += room[w];
    total += room[w];
  }
  return earlier + upto - value;
}

}  // namespace msae::kernels::cuda
