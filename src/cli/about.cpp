#include "cli/about.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <hdf5.h>
#include <torch/version.h>

#include "msae/core/version.h"

namespace msae::cli {
namespace {

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

std::string cuda() {
  const auto& hooks = at::detail::getCUDAHooks();
  if (!hooks.hasCUDART()) return "not in this build";
  const auto version = hooks.versionCUDART();  // 13020 is 13.2
  const auto devices = at::getNumGPUs();
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10) + ", " +
         (devices > 0 ? std::to_string(devices) + " visible" : "no device visible");
}

}  // namespace

std::string about() {
  return "msae " + version() + "\nLibTorch " TORCH_VERSION "\nHDF5 " + hdf5_version() + "\nCUDA " + cuda() +
         "\ninstruction set " + at::get_cpu_capability();
}

}  // namespace msae::cli
