#include "ops/torch_executor.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <atomic>

namespace msae::ops {
namespace {

class TorchExecutor final : public kernels::Executor {
 public:
  int workers() const override { return at::in_parallel_region() ? 1 : at::get_num_threads(); }

  // Also a single task is worked on inside a parallel region, where products take one thread: what they give
  // depends on how many they take.
  void run(std::int64_t tasks, const std::function<void(std::int64_t, int)>& work) const override {
    std::atomic<std::int64_t> next{0};
    at::parallel_for(0, workers(), 1, [&](std::int64_t first, std::int64_t last) {
      for (auto worker = first; worker < std::min(last, tasks); ++worker) {
        for (auto task = next++; task < tasks; task = next++) work(task, static_cast<int>(worker));
      }
    });
  }
};

}  // namespace

const kernels::Executor& torch_executor() {
  static const TorchExecutor executor;
  return executor;
}

}  // namespace msae::ops
