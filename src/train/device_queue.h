// Copies beside the steps of a device, in LibTorch's words that every build has. On the CPU, which does one
// thing after another, all of it is there and does nothing.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "msae/core/export.h"

namespace msae::train {

/// What the calling thread asks of the device is done in the order of this stream.
MSAE_EXPORT c10::Stream stream_in_use(c10::Device device);
/// The caller waits for all that it has asked of the device.
void wait_for_device(c10::Device device);
/// Another one, for copies to go their own way; the same one on the CPU.
c10::Stream stream_of_copies(c10::Device device);

/// An uninitialised tensor in the machine's memory: pinned, so that a GPU fetches it by itself while the
/// processor goes on.
MSAE_EXPORT torch::Tensor host_buffer(c10::Device device, at::IntArrayRef sizes, torch::ScalarType type);

/// A point in a stream. One thread at a time; a mark never set is behind everyone.
class MSAE_EXPORT Mark {
 public:
  explicit Mark(c10::Device device);

  /// Here: behind all that was asked of the stream so far.
  void set(const c10::Stream& stream);
  /// What is asked of the stream from now on is done after the mark; the caller does not wait.
  void hold_back(const c10::Stream& stream) const;
  /// The caller waits until the mark is reached.
  void wait() const;

 private:
  std::optional<c10::Event> event_;
};

}  // namespace msae::train
