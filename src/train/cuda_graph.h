// Launches that have been recorded, to be started together.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <utility>

namespace msae::train {

class CudaGraph {
 public:
  CudaGraph() = default;
  CudaGraph(CudaGraph&& other) noexcept : launches_(std::exchange(other.launches_, nullptr)) {}
  CudaGraph& operator=(CudaGraph&& other) noexcept {
    std::swap(launches_, other.launches_);
    return *this;
  }
  ~CudaGraph();

  bool is_empty() const { return launches_ == nullptr; }
  /// Records what `enqueue` starts on the stream, which it must not wait for; nothing is computed.
  /// \throws kernels::cuda::DeviceError
  void record(cudaStream_t stream, const std::function<void()>& enqueue);
  /// \throws kernels::cuda::DeviceError
  void launch(cudaStream_t stream) const;

 private:
  cudaGraphExec_t launches_ = nullptr;
};

}  // namespace msae::train
