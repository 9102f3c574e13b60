// Where tests run: on the CPU, on a GPU, or where its kernels are emulated.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace msae::train {

c10::Device test_device();

/// Free memory that the device claims to have from now on; a GPU takes no notice and says false. For tests of
/// the CUDA engine alone.
bool pretend_free_memory(std::uint64_t bytes);

}  // namespace msae::train
