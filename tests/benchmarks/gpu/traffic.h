// Kernels that only move memory, or only take time.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.h"

namespace msae::gpu_benchmark {

using kernels::cuda::Stream;

/// Reads `count` floats, a multiple of 4, so many times over, past the caches of single processors.
/// \param sink [1], on the device, never written
void read(Stream stream, const float* from, std::int64_t count, int times, float* sink);

/// Copies `count` floats, a multiple of 4.
void copy(Stream stream, const float* from, std::int64_t count, float* to);

/// Keeps the stream busy, so that what is launched meanwhile begins without gaps.
void spin(Stream stream, std::int64_t microseconds);

}  // namespace msae::gpu_benchmark
