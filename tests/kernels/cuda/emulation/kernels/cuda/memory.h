// Takes the place of the library's header of this name where kernels are emulated.
#pragma once

#include <cuda_runtime.h>

namespace msae::kernels::cuda {

inline unsigned char* shared_memory() {
  return emulation::shared_memory();
}

inline void raise(int* flag) {
  __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

inline bool is_raised(const int* flag) {
  return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

/// Threads that blocks have at most, for they take their turns; see Limits.
inline unsigned most_threads = 64;

inline unsigned block_of(unsigned most) {
  return most < most_threads ? most : most_threads;
}

inline unsigned long long granted_shared = 160 * 1024;

inline unsigned long long most_shared() {
  return granted_shared;
}

}  // namespace msae::kernels::cuda
