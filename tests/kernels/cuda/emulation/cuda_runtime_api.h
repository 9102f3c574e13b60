// The part of CUDA's header of this name that is used here. What is asked for has happened when a function
// returns.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/emulation/graphs.h"
#include "kernels/cuda/emulation/vector_types.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
};

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

using cudaEvent_t = struct CUevent_st*;

inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

struct cudaLaunchAttribute;

struct cudaLaunchConfig_t {
  dim3 gridDim;
  dim3 blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

namespace emulation {

inline cudaError_t last_error = cudaSuccess;

inline cudaError_t keep(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

}  // namespace emulation

inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
  }
  return "unrecognized error code";
}

inline cudaError_t cudaPeekAtLastError() {
  return emulation::last_error;
}

inline cudaError_t cudaGetLastError() {
  const auto error = emulation::last_error;
  emulation::last_error = cudaSuccess;
  return error;
}

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

inline cudaError_t cudaSetDevice(int device) {
  return emulation::keep(device == 0 ? cudaSuccess : cudaErrorInvalidValue);
}

inline cudaError_t cudaDeviceSynchronize() {
  return cudaSuccess;
}

/// Not a byte more than asked for; NaN, as a number of any kind, and -1.
inline cudaError_t cudaMalloc(void** memory, std::size_t size) {
  *memory = nullptr;
  if (size == 0) return cudaSuccess;
  if (posix_memalign(memory, 256, size) != 0) return emulation::keep(cudaErrorMemoryAllocation);
  std::memset(*memory, 0xff, size);
  return cudaSuccess;
}

inline cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

inline cudaError_t cudaMallocAsync(void** memory, std::size_t size, cudaStream_t) {
  return cudaMalloc(memory, size);
}

inline cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  return cudaFree(memory);
}

inline cudaError_t cudaMallocHost(void** memory, std::size_t size) {
  return cudaMalloc(memory, size);
}

inline cudaError_t cudaFreeHost(void* memory) {
  return cudaFree(memory);
}

inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind) {
  if (size > 0) std::memcpy(to, from, size);
  return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  emulation::in_order(stream, [=] { cudaMemcpy(to, from, size, kind); });
  return cudaSuccess;
}

inline cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  if (width > to_pitch || width > from_pitch) return emulation::keep(cudaErrorInvalidValue);
  for (std::size_t i = 0; i < height; ++i) {
    cudaMemcpy(static_cast<char*>(to) + i * to_pitch, static_cast<const char*>(from) + i * from_pitch, width,
               kind);
  }
  return cudaSuccess;
}

inline cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                     std::size_t width, std::size_t height, cudaMemcpyKind kind,
                                     cudaStream_t = nullptr) {
  return cudaMemcpy2D(to, to_pitch, from, from_pitch, width, height, kind);
}

inline cudaError_t cudaMemset(void* memory, int value, std::size_t size) {
  if (size > 0) std::memset(memory, value, size);
  return cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t size, cudaStream_t stream = nullptr) {
  emulation::in_order(stream, [=] { cudaMemset(memory, value, size); });
  return cudaSuccess;
}

// Streams and events are names only.

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, 0);
}

inline cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}

inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) {
  return cudaSuccess;
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  return cudaSuccess;
}

inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}

inline cudaError_t cudaEventDestroy(cudaEvent_t) {
  return cudaSuccess;
}

inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr) {
  return cudaSuccess;
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return cudaSuccess;
}

inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 0;
  return cudaSuccess;
}

enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  // CUDA does not record the default stream.
  if (!stream) return emulation::keep(cudaErrorInvalidValue);
  return emulation::keep(emulation::recordings.try_emplace(stream).second ? cudaSuccess
                                                                          : cudaErrorInvalidValue);
}

inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto recording = emulation::recordings.find(stream);
  if (recording == emulation::recordings.end()) return emulation::keep(cudaErrorInvalidValue);
  *graph = new emulation::Graph(std::move(recording->second));
  emulation::recordings.erase(recording);
  return cudaSuccess;
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* launches, cudaGraph_t graph, unsigned long long) {
  *launches = new emulation::Graph(*graph);
  return cudaSuccess;
}

inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t launches) {
  delete launches;
  return cudaSuccess;
}

inline cudaError_t cudaGraphLaunch(cudaGraphExec_t launches, cudaStream_t) {
  for (const auto& work : launches->work) work();
  return cudaSuccess;
}
