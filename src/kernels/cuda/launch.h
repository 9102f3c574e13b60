// Starting kernels, and what goes wrong then.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/cuda/memory.h"

namespace msae::kernels::cuda {

using Stream = cudaStream_t;

/// Something that the device, or its driver, refused.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// \throws DeviceError unless it is success
inline void require(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or whoever looks next takes it for its own
  throw DeviceError(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

/// The shape of a launch.
struct Grid {
  dim3 blocks;
  unsigned threads = 32;   ///< of a block, a multiple of 32
  std::size_t shared = 0;  ///< bytes of a block
};

/// Blocks that have `each` of `count` things to do.
inline unsigned blocks_for(std::int64_t count, std::int64_t each) {
  return static_cast<unsigned>((count + each - 1) / each);
}

/// Starts a kernel; an empty grid does nothing.
/// \throws DeviceError when the launch is refused
template <typename... Parameters, typename... Arguments>
void launch(Stream stream, const Grid& grid, void (*kernel)(Parameters...), Arguments... arguments) {
  if (grid.blocks.x == 0 || grid.blocks.y == 0) return;
  constexpr std::size_t granted_unasked = 48 * 1024;
  if (grid.shared > granted_unasked) {
    // The most there is: the limit is the kernel's, not the launch's, and may not fall below an earlier
    // one's.
    require(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(most_shared())),
            "shared memory");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = dim3(grid.threads);
  config.dynamicSmemBytes = grid.shared;
  config.stream = stream;
  require(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch");
}

}  // namespace msae::kernels::cuda
