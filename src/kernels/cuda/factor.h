// The numbers that dense products and gathers read: float, or bfloat16, which halves their traffic.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace msae::kernels::cuda {

using bfloat16 = __nv_bfloat16;

/// Rows of factors are padded to a multiple of so many, with zeros: their groups of eight are aligned.
inline constexpr int group = 8;

__host__ __device__ constexpr std::int64_t padded(std::int64_t columns) {
  return (columns + group - 1) / group * group;
}

}  // namespace msae::kernels::cuda
