#include "benchmarks/gpu/ceilings.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/types.h>

#include <algorithm>

#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/timing.h"
#include "benchmarks/gpu/traffic.h"
#include "kernels/cuda/cublas.h"

namespace msae::gpu_benchmark {
namespace {

constexpr int warm_up = 2;

// Of several calls, per second; the best, as nothing makes a device faster than it is.
template <typename Work>
double best_rate(double amount, int calls, Work work) {
  const auto stream = current_stream();
  for (int i = 0; i < warm_up; ++i) work(stream);
  const auto times = times_of(stream, calls, [&] { work(stream); });
  return amount / (1e-3 * *std::min_element(times.begin(), times.end()));
}

void measure_memory(Ceilings& found) {
  constexpr std::int64_t floats = std::int64_t{1} << 29;  // 2 GiB, far beyond any cache
  constexpr int calls = 20;
  const auto from = torch::randn({floats}, on_device()), to = torch::empty_like(from);
  const auto sink = torch::zeros({1}, on_device());
  const auto* source = from.const_data_ptr<float>();
  auto* target = to.mutable_data_ptr<float>();
  const auto bytes = static_cast<double>(from.nbytes());
  const auto by_driver = best_rate(2 * bytes, calls, [&](Stream stream) {
    require(cudaMemcpyAsync(target, source, from.nbytes(), cudaMemcpyDeviceToDevice, stream), "copy");
  });
  const auto by_kernel =
      best_rate(2 * bytes, calls, [&](Stream stream) { copy(stream, source, floats, target); });
  found.copy = std::max(by_driver, by_kernel);
  auto* nowhere = sink.mutable_data_ptr<float>();
  found.read = best_rate(bytes, calls, [&](Stream stream) { read(stream, source, floats, 1, nowhere); });
  // A third of the cache: it has parts, and lines of the far one may be kept twice.
  const auto cached = found.cache / 3 / 16 * 4;
  constexpr int times = 50;
  found.cache_read = best_rate(times * 4.0 * static_cast<double>(cached), calls,
                               [&](Stream stream) { read(stream, source, cached, times, nowhere); });
}

// C = A B^T, as the encoder's product is, of squares.
template <typename F>
double product_rate(kernels::cuda::Multiplier multiplier, std::int64_t size, int calls) {
  const auto type = sizeof(F) == sizeof(float) ? torch::kFloat32 : torch::kBFloat16;
  const auto a = torch::randn({size, size}, on_device()).to(type);  // of zeros it would be too fast
  const auto b = torch::randn({size, size}, on_device()).to(type);
  const auto c = torch::empty({size, size}, on_device());
  const kernels::cuda::Cublas<F> products(multiplier, device_memory());
  const kernels::cuda::Product<F> work{.transpose_b = true,
                                       .m = size,
                                       .n = size,
                                       .k = size,
                                       .a = static_cast<const F*>(a.const_data_ptr()),
                                       .a_stride = size,
                                       .b = static_cast<const F*>(b.const_data_ptr()),
                                       .b_stride = size,
                                       .c_stride = size};
  const auto flops = 2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size);
  const auto to_floats = best_rate(flops, calls, [&](Stream stream) {
    products.multiply(stream, work, static_cast<float*>(c.mutable_data_ptr()));
  });
  const auto to_factors = best_rate(flops, calls, [&](Stream stream) {
    products.multiply_to_factors(stream, work, static_cast<F*>(c.mutable_data_ptr()));
  });
  return std::max(to_floats, to_factors);
}

}  // namespace

Ceilings measure_ceilings() {
  const torch::NoGradGuard no_grad;
  int device = 0;
  require(cudaGetDevice(&device), "device");
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), "device");
  Ceilings found;
  found.device = properties.name;
  found.memory = static_cast<std::int64_t>(properties.totalGlobalMem);
  found.cache = properties.l2CacheSize;
  measure_memory(found);
  c10::cuda::CUDACachingAllocator::emptyCache();
  using kernels::cuda::Multiplier;
  found.float32 = product_rate<float>(Multiplier::full, 4096, 10);
  found.tf32 = product_rate<float>(Multiplier::tf32, 8192, 20);
  found.bf16 = product_rate<kernels::cuda::bfloat16>(Multiplier::full, 8192, 20);
  c10::cuda::CUDACachingAllocator::emptyCache();
  return found;
}

DeviceRates rates_of(const Ceilings& ceilings, train::Precision precision) {
  const auto products = precision == train::Precision::bfloat16 ? ceilings.bf16
                        : precision == train::Precision::tf32   ? ceilings.tf32
                                                                : ceilings.float32;
  return {.bytes = std::max(ceilings.copy, ceilings.read),
          .cache_bytes = ceilings.cache_read,
          .product_flops = products,
          .other_flops = ceilings.float32};
}

}  // namespace msae::gpu_benchmark
