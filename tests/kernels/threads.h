// Threads of their own for kernels, so that sanitizers see all of them.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "kernels/cpu/executor.h"

namespace msae::kernels::test {

class Threads final : public Executor {
 public:
  explicit Threads(int workers) : workers_(workers) {}

  int workers() const override { return workers_; }

  void run(std::int64_t tasks, const std::function<void(std::int64_t, int)>& work) const override {
    std::atomic<std::int64_t> next{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers_ && worker < tasks; ++worker) {
      threads.emplace_back([&, worker] {
        for (auto task = next++; task < tasks; task = next++) work(task, worker);
      });
    }
    for (auto& thread : threads) thread.join();
  }

 private:
  int workers_;
};

/// The caller's thread, in the name of another worker at every call: what a worker has left behind, or has
/// never had, is of no importance.
class TakingTurns final : public Executor {
 public:
  explicit TakingTurns(int workers) : workers_(workers) {}

  int workers() const override { return workers_; }

  void run(std::int64_t tasks, const std::function<void(std::int64_t, int)>& work) const override {
    const auto most = static_cast<int>(std::min<std::int64_t>(tasks, workers_));
    for (std::int64_t task = 0; task < tasks; ++task) work(task, turn_ % most);
    ++turn_;
  }

 private:
  int workers_;
  mutable int turn_ = 0;
};

}  // namespace msae::kernels::test
