#include "benchmarks/gpu/traffic.h"

namespace msae::gpu_benchmark {
namespace {

using kernels::cuda::launch;

constexpr unsigned threads = 512;
constexpr int at_once = 4;  // loads of a thread on their way

// As many blocks as the device runs together, a few times over.
unsigned blocks() {
  int device = 0, processors = 0;
  kernels::cuda::require(cudaGetDevice(&device), "device");
  kernels::cuda::require(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
                         "device");
  return static_cast<unsigned>(processors) * 4;
}

// Each time the threads begin elsewhere, so that nobody reads the same twice.
__global__ void read_kernel(const float4* from, std::int64_t count, int times, float* sink) {
  const auto step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const auto first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  float sum = 0;
  for (int time = 0; time < times; ++time) {
    const auto shift = count / times * time;
    for (auto i = first; i < count; i += step * at_once) {
      float4 four[at_once];
#pragma unroll
      for (int n = 0; n < at_once; ++n) {
        const auto at = i + n * step + shift;
        four[n] = make_float4(0, 0, 0, 0);
        if (i + n * step < count) four[n] = __ldcg(from + (at < count ? at : at - count));
      }
#pragma unroll
      for (int n = 0; n < at_once; ++n) sum += four[n].x + four[n].y + four[n].z + four[n].w;
    }
  }
  if (sum == 1.2345e-30f) *sink = sum;  // never, but the compiler cannot know
}

__global__ void copy_kernel(const float4* from, std::int64_t count, float4* to) {
  const auto step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const auto first = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (auto i = first; i < count; i += step * at_once) {
    float4 four[at_once];
#pragma unroll
    for (int n = 0; n < at_once; ++n) {
      if (i + n * step < count) four[n] = from[i + n * step];
    }
#pragma unroll
    for (int n = 0; n < at_once; ++n) {
      if (i + n * step < count) to[i + n * step] = four[n];
    }
  }
}

__device__ unsigned long long nanoseconds() {
  unsigned long long now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

__global__ void spin_kernel(std::int64_t microseconds) {
  const auto until = nanoseconds() + static_cast<unsigned long long>(microseconds) * 1000;
  while (nanoseconds() < until) __nanosleep(1000);
}

}  // namespace

void read(Stream stream, const float* from, std::int64_t count, int times, float* sink) {
  launch(stream, {dim3(blocks()), threads}, read_kernel, reinterpret_cast<const float4*>(from), count / 4,
         times, sink);
}

void copy(Stream stream, const float* from, std::int64_t count, float* to) {
  launch(stream, {dim3(blocks()), threads}, copy_kernel, reinterpret_cast<const float4*>(from), count / 4,
         reinterpret_cast<float4*>(to));
}

void spin(Stream stream, std::int64_t microseconds) {
  launch(stream, {dim3(1)}, spin_kernel, microseconds);
}

}  // namespace msae::gpu_benchmark
