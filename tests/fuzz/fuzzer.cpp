// What libFuzzer calls, for the target that MSAE_FUZZ_TARGET names; run.sh compiles one program for each.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  msae::fuzz::MSAE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
