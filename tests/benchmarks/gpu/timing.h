// How long the device takes for what it is asked to do.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/cuda/launch.h"

namespace msae::gpu_benchmark {

using kernels::cuda::require;
using kernels::cuda::Stream;

/// A point in a stream, with its time.
class Event {
 public:
  Event() { require(cudaEventCreate(&event_), "event"); }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~Event() {
    if (event_) cudaEventDestroy(event_);
  }

  void record(Stream stream) const { require(cudaEventRecord(event_, stream), "event"); }
  void wait() const { require(cudaEventSynchronize(event_), "wait"); }
  /// Milliseconds from an earlier one, once both are reached.
  double since(const Event& earlier) const {
    float ms = 0;
    require(cudaEventElapsedTime(&ms, earlier.event_, event_), "time");
    return static_cast<double>(ms);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Milliseconds of each call of `work`, which asks the stream for something. `before` does so too, and is not
/// counted.
template <typename Before, typename Work>
std::vector<double> times_of(Stream stream, int calls, Before before, Work work) {
  std::vector<Event> begun(static_cast<std::size_t>(calls)), done(static_cast<std::size_t>(calls));
  for (std::size_t i = 0; i < done.size(); ++i) {
    before();
    begun[i].record(stream);
    work();
    done[i].record(stream);
  }
  std::vector<double> times;
  if (!done.empty()) done.back().wait();
  for (std::size_t i = 0; i < done.size(); ++i) times.push_back(done[i].since(begun[i]));
  return times;
}

template <typename Work>
std::vector<double> times_of(Stream stream, int calls, Work work) {
  return times_of(
      stream, calls, [] {}, work);
}

}  // namespace msae::gpu_benchmark
