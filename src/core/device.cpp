#include "msae/core/device.h"

#include <ATen/Context.h>

#include <stdexcept>

#include "msae/core/error.h"

namespace msae {

c10::Device resolve_device(const std::string& name) {
  const bool cuda = at::hasCUDA() && at::getNumGPUs() > 0;
  if (name == "auto") return cuda ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  if (name == "cpu") return c10::kCPU;

  const bool plain = name == "cuda";
  const bool numbered = name.size() > 5 && name.size() < 9 && name.rfind("cuda:", 0) == 0 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (!plain && !numbered) {
    throw std::invalid_argument("device: '" + name + "' is none of auto, cpu, cuda, cuda:N");
  }
  const int index = plain ? 0 : std::stoi(name.substr(5));
  if (!cuda) {
    throw Error("device " + name + ": " +
                (at::Context::hasCUDART()
                     ? "no CUDA device is visible"
                     : "this build of msae is without CUDA, which --cuda of its set-up scripts adds") +
                "; the device cpu is always there");
  }
  if (index >= static_cast<int>(at::getNumGPUs())) {
    throw Error("device " + name + ": there are only " + std::to_string(at::getNumGPUs()) + " CUDA devices");
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace msae
