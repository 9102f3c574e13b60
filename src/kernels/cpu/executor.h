// How kernels use several threads without knowing whose they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace msae::kernels {

/// Threads to work on independent tasks. No result may depend on which worker has which task.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Threads at most; `worker` below is less than that.
  virtual int workers() const = 0;

  /// Calls `work(task, worker)` for every task from 0 on, each once, and returns when all are done. With
  /// fewer tasks than workers, worker < tasks. What one of them throws is thrown on.
  virtual void run(std::int64_t tasks,
                   const std::function<void(std::int64_t task, int worker)>& work) const = 0;
};

/// The caller's thread alone.
class Serial final : public Executor {
 public:
  int workers() const override { return 1; }
  void run(std::int64_t tasks, const std::function<void(std::int64_t, int)>& work) const override {
    for (std::int64_t task = 0; task < tasks; ++task) work(task, 0);
  }
};

/// Calls `work(first, last, worker)` for all of 0..count in parts of `most` at most, as many to each worker.
inline void run_shares(const Executor& executor, std::int64_t count, std::int64_t most,
                       const std::function<void(std::int64_t first, std::int64_t last, int worker)>& work) {
  const auto workers = std::int64_t{executor.workers()};
  const auto needed = (count + most - 1) / most;
  const auto parts = std::min(count, (needed + workers - 1) / workers * workers);
  executor.run(parts, [&](std::int64_t part, int worker) {
    work(part * count / parts, (part + 1) * count / parts, worker);
  });
}

}  // namespace msae::kernels
