// How large blocks may be where kernels are emulated.
#pragma once

#include "kernels/cuda/memory.h"

namespace msae::kernels::cuda::test {

/// Says nothing to a GPU. Where kernels are emulated, blocks have at most so many threads, and so many bytes
/// of shared memory, within its life.
class Limits {
 public:
  explicit Limits(unsigned, unsigned long long = most_shared()) {}
  ~Limits() {}
};

}  // namespace msae::kernels::cuda::test
