#include "msae/core/device.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "msae/core/error.h"
#include "support/error_of.h"

namespace msae {
namespace {

TEST(ResolveDevice, KnowsTheNames) {
  EXPECT_EQ(resolve_device("cpu"), c10::Device(c10::kCPU));
  EXPECT_NO_THROW(resolve_device("auto"));
}

TEST(ResolveDevice, RefusesOtherNames) {
  for (const auto* name : {"", "gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:99999999999", "CPU"}) {
    EXPECT_THROW(resolve_device(name), std::invalid_argument) << name;
  }
}

TEST(ResolveDevice, SaysSoWhenADeviceIsNotThere) {
  EXPECT_THROW(resolve_device("cuda:999"), Error);
}

TEST(ResolveDevice, TellsABuildWithoutCudaFromAMachineWithoutAGpu) {
  if (at::getNumGPUs() > 0) GTEST_SKIP() << "there is a GPU";
  const bool built = at::Context::hasCUDART();
  const auto said = test::error_of([] { resolve_device("cuda"); });
  EXPECT_EQ(said.find("no CUDA device is visible") != std::string::npos, built) << said;
  EXPECT_EQ(said.find("this build of msae is without CUDA") != std::string::npos, !built) << said;
}

}  // namespace
}  // namespace msae
