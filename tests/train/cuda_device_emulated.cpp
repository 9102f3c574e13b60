// In the place of src/train/cuda_device.cpp: tensors of the CPU are on the device.
#include <stdexcept>

#include "kernels/cuda/plain_products.h"
#include "msae/train/cuda.h"
#include "train/cuda_device.h"
#include "train/test_device.h"

namespace msae::train {
namespace {

std::uint64_t free_memory = std::uint64_t{1} << 40;

// Recorded where the stream records.
template <typename F>
class EmulatedProducts final : public kernels::cuda::Products<F> {
 public:
  void multiply(cudaStream_t stream, const kernels::cuda::Product<F>& work, float* c) const override {
    emulation::in_order(stream, [this, work, c] { plain_.multiply(nullptr, work, c); });
  }
  void multiply_to_factors(cudaStream_t stream, const kernels::cuda::Product<F>& work, F* c) const override {
    emulation::in_order(stream, [this, work, c] { plain_.multiply_to_factors(nullptr, work, c); });
  }

 private:
  kernels::cuda::test::PlainProducts<F> plain_;
};

}  // namespace

c10::Device test_device() {
  return c10::kCPU;
}

bool pretend_free_memory(std::uint64_t bytes) {
  free_memory = bytes;
  return true;
}

bool is_on_device(const torch::Tensor& tensor) {
  return tensor.is_cpu();
}

cudaStream_t current_stream(c10::Device) {
  return nullptr;
}

OwnedStream recording_stream(c10::Device) {
  static char stream;
  return {reinterpret_cast<cudaStream_t>(&stream), [](cudaStream_t) {}};
}

kernels::cuda::Allocate device_memory(c10::Device) {
  return [](std::size_t bytes) {
    void* memory = nullptr;
    kernels::cuda::require(cudaMalloc(&memory, bytes), "malloc");
    return std::shared_ptr<void>(memory, cudaFree);
  };
}

template <typename F>
std::unique_ptr<kernels::cuda::Products<F>> device_products(Precision, c10::Device) {
  return std::make_unique<EmulatedProducts<F>>();
}

template std::unique_ptr<kernels::cuda::Products<float>> device_products(Precision, c10::Device);
template std::unique_ptr<kernels::cuda::Products<kernels::cuda::bfloat16>> device_products(Precision,
                                                                                           c10::Device);

std::uint64_t free_device_memory(c10::Device) {
  return free_memory;
}

}  // namespace msae::train
