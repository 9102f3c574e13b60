// The same with another number of threads.
#pragma once

#include <ATen/Parallel.h>

namespace msae::test {

/// Torch computes with this many threads while this lives.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace msae::test
