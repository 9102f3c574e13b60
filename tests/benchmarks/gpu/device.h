// LibTorch's device for what runs below it.
#pragma once

#include <torch/types.h>

#include "train/cuda_device.h"

namespace msae::gpu_benchmark {

/// Floats on the first device.
inline torch::TensorOptions on_device() {
  return torch::TensorOptions(torch::kFloat32).device(c10::Device(c10::kCUDA, 0));
}

/// The stream that LibTorch uses, too.
inline kernels::cuda::Stream current_stream() {
  return train::current_stream(on_device().device());
}

/// Out of LibTorch's memory, so that its peak counts it.
inline kernels::cuda::Allocate device_memory() {
  return train::device_memory(on_device().device());
}

}  // namespace msae::gpu_benchmark
