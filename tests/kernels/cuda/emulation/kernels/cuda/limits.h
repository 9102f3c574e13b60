// Takes the place of the tests' header of this name where kernels are emulated.
#pragma once

#include "kernels/cuda/memory.h"

namespace msae::kernels::cuda::test {

/// Within its life blocks have at most so many threads, and so many bytes of shared memory.
class Limits {
 public:
  explicit Limits(unsigned threads, unsigned long long shared = most_shared())
      : threads_(most_threads), shared_(granted_shared) {
    most_threads = threads;
    granted_shared = shared;
  }
  ~Limits() {
    most_threads = threads_;
    granted_shared = shared_;
  }
  Limits(const Limits&) = delete;
  Limits& operator=(const Limits&) = delete;

 private:
  unsigned threads_;
  unsigned long long shared_;
};

}  // namespace msae::kernels::cuda::test
