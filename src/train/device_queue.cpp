#include "train/device_queue.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <thread>

namespace msae::train {

c10::Stream stream_in_use(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

void wait_for_device(c10::Device device) {
  c10::impl::VirtualGuardImpl(device.type()).synchronizeStream(stream_in_use(device));
}

c10::Stream stream_of_copies(c10::Device device) {
  if (device.is_cpu()) return stream_in_use(device);
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

torch::Tensor host_buffer(c10::Device device, at::IntArrayRef sizes, torch::ScalarType type) {
  return torch::empty(sizes, torch::TensorOptions(type).pinned_memory(!device.is_cpu()));
}

Mark::Mark(c10::Device device) {
  if (!device.is_cpu()) event_.emplace(device.type());
}

void Mark::set(const c10::Stream& stream) {
  if (event_) event_->record(stream);
}

void Mark::hold_back(const c10::Stream& stream) const {
  if (event_) event_->block(stream);
}

// Not by Event::synchronize(), which spins on a core that others could use.
void Mark::wait() const {
  while (event_ && !event_->query()) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

}  // namespace msae::train
