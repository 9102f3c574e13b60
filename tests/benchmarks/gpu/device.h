// LibTorch's device for what runs below it.
#pragma once

#include <c10/cuda/CUDAStream.h>
#include <torch/types.h>

#include <memory>

#include "kernels/cuda/step.h"

namespace msae::gpu_benchmark {

/// Floats on the first device.
inline torch::TensorOptions on_device() {
  return torch::TensorOptions(torch::kFloat32).device(torch::kCUDA);
}

/// The stream that LibTorch uses, too.
inline kernels::cuda::Stream current_stream() {
  return c10::cuda::getCurrentCUDAStream().stream();
}

/// Out of LibTorch's memory, so that its peak counts it.
inline kernels::cuda::Allocate device_memory() {
  return [](std::size_t bytes) {
    auto memory = torch::empty({static_cast<std::int64_t>(bytes)}, on_device().dtype(torch::kUInt8));
    auto* data = memory.data_ptr();
    return std::shared_ptr<void>(data, [memory](void*) {});
  };
}

}  // namespace msae::gpu_benchmark
