// What the CUDA engine asks of LibTorch about its device. Tests that emulate kernels put another file in the
// place of cuda_device.cpp.
#pragma once

#include <cuda_runtime_api.h>
#include <torch/types.h>

#include <memory>
#include <type_traits>

#include "kernels/cuda/products.h"
#include "kernels/cuda/step.h"
#include "msae/train/options.h"

namespace msae::train {

/// Whether tensors are where kernels work.
bool is_on_device(const torch::Tensor& tensor);

/// The stream that LibTorch's operators on the device use now.
cudaStream_t current_stream(c10::Device device);
using OwnedStream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, void (*)(cudaStream_t)>;
/// One that nobody else uses, to record launches on.
OwnedStream recording_stream(c10::Device device);

/// Out of LibTorch's memory, in the order of the current stream.
kernels::cuda::Allocate device_memory(c10::Device device);

/// Dense products on the device.
template <typename F>
std::unique_ptr<kernels::cuda::Products<F>> device_products(Precision precision, c10::Device device);

}  // namespace msae::train
