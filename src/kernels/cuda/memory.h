// What depends on the machine that runs a kernel: a block's shared memory, flags that many threads set, and
// how many threads a block has. Tests put an emulation of their own in place of this file.
#pragma once

#include <cuda_runtime.h>

namespace msae::kernels::cuda {

/// The memory that a launch gave to the block, aligned to 16 bytes.
__device__ inline unsigned char* shared_memory() {
  extern __shared__ __align__(16) unsigned char memory[];
  return memory;
}

/// Sets a flag that other threads may set, too, at the same time.
__device__ inline void raise(int* flag) {
  *static_cast<volatile int*>(flag) = 1;
}

/// Whether a flag is set that other threads may set at the same time.
__device__ inline bool is_raised(const int* flag) {
  return *static_cast<const volatile int*>(flag) != 0;
}

/// How many threads a block gets where it could use `most`, a multiple of 32.
inline unsigned block_of(unsigned most) {
  return most;
}

/// Shared memory that a block may have on the current device when it asks for it, in bytes.
inline unsigned long long most_shared() {
  int device = 0, bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess) {
    return 48 * 1024;  // as every device grants unasked
  }
  return static_cast<unsigned long long>(bytes);
}

}  // namespace msae::kernels::cuda
