// How kernels use several threads without knowing whose they are.
#pragma once

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

}  // namespace msae::kernels
