#include "train/test_device.h"

namespace msae::train {

c10::Device test_device() {
  return c10::kCPU;
}

}  // namespace msae::train
