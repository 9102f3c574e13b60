#include "train/cuda_device.h"

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/launch.h"
#include "msae/core/error.h"
#include "msae/train/cuda.h"

namespace msae::train {

bool is_on_device(const torch::Tensor& tensor) {
  return tensor.is_cuda();
}

cudaStream_t current_stream(c10::Device device) {
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

// Not out of LibTorch's pool, whose streams others get, too.
OwnedStream recording_stream(c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  cudaStream_t stream = nullptr;
  kernels::cuda::require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  return {stream, [](cudaStream_t made) { cudaStreamDestroy(made); }};
}

kernels::cuda::Allocate device_memory(c10::Device device) {
  return [device](std::size_t bytes) {
    const auto options = torch::TensorOptions(device).dtype(torch::kUInt8);
    auto memory = torch::empty({static_cast<std::int64_t>(bytes)}, options);
    auto* data = memory.data_ptr();
    return std::shared_ptr<void>(data, [memory](void*) {});
  };
}

template <typename F>
std::unique_ptr<kernels::cuda::Products<F>> device_products(Precision precision, c10::Device device) {
  using namespace kernels::cuda;
  const auto multiplier = precision == Precision::tf32 ? Multiplier::tf32 : Multiplier::full;
  return std::make_unique<Cublas<F>>(multiplier, device_memory(device));
}

template std::unique_ptr<kernels::cuda::Products<float>> device_products(Precision, c10::Device);
template std::unique_ptr<kernels::cuda::Products<kernels::cuda::bfloat16>> device_products(Precision,
                                                                                           c10::Device);

std::uint64_t free_device_memory(c10::Device device) {
  if (!device.is_cuda()) throw Error("device " + device.str() + ": is not a CUDA device");
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);  // it has no statistics before
  const c10::cuda::CUDAGuard guard(device);
  std::size_t free = 0, total = 0;
  if (const auto status = cudaMemGetInfo(&free, &total); status != cudaSuccess) {
    throw Error("device " + device.str() + ": " + cudaGetErrorString(status));
  }
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(c10::cuda::current_device());
  constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto unused = stats.reserved_bytes[all].current - stats.allocated_bytes[all].current;
  return free + static_cast<std::uint64_t>(std::max<std::int64_t>(0, unused));
}

}  // namespace msae::train
