#include "train/test_device.h"

namespace msae::train {

c10::Device test_device() {
  return {c10::kCUDA, 0};
}

bool pretend_free_memory(std::uint64_t) {
  return false;
}

}  // namespace msae::train
