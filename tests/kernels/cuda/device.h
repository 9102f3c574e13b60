// What tests put on the device and take from it; the same on a GPU and where kernels are emulated.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/limits.h"

namespace msae::kernels::cuda::test {

inline constexpr Stream stream = nullptr;

inline void synchronise() {
  require(cudaDeviceSynchronize(), "synchronise");
}

/// Numbers on the device, and not a byte behind them.
template <typename T>
class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  /// Of no certain values; where kernels are emulated all their bits are set.
  explicit DeviceArray(std::int64_t count) : size_(count) {
    require(cudaMalloc(&data_, bytes()), "malloc");
    require(cudaMemset(data_, 0xff, bytes()), "memset");
  }
  DeviceArray(std::int64_t count, const T& value)
      : DeviceArray(std::vector<T>(static_cast<std::size_t>(count), value)) {}
  DeviceArray(const std::vector<T>& values) : DeviceArray(static_cast<std::int64_t>(values.size())) {
    require(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice), "copy");
  }
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceArray() { cudaFree(data_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::int64_t size() const { return size_; }

  /// Once all that has been launched is through.
  std::vector<T> host() const {
    synchronise();
    std::vector<T> values(static_cast<std::size_t>(size_));
    require(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost), "copy");
    return values;
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace msae::kernels::cuda::test
