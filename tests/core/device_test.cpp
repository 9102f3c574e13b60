#include "msae/core/device.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "msae/core/error.h"

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

}  // namespace
}  // namespace msae
