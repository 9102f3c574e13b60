// The engines that `msae bench` compares, and the clock.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/bench_problem.h"
#include "cli/stage_floors.h"
#include "msae/train/engine.h"

namespace msae::cli {

/// Of one engine, in milliseconds; medians unless said.
struct EngineTimes {
  std::string engine;
  double step = 0;
  double least = 0, most = 0;
  std::vector<train::StageTime> stages;
  train::StepShape shape;
  std::vector<train::MemoryUse> memory;
};

/// Steps before those that count.
constexpr int warm_up_steps = 2;

/// Times steps of the engines in turns, so that what else the machine does meets them alike. Every engine has
/// a model of its own; the rate is so small that the problem stays what it is.
/// \param repeats     steps that count
/// \param before_step called with the engine's name; may throw
/// \throws std::invalid_argument where an engine does not take the model, msae::Error where the device has not
///         the memory for it
std::vector<EngineTimes> time_steps(const BenchProblem& problem, const BenchInput& input,
                                    const std::vector<std::string>& engines, std::int64_t repeats,
                                    const std::function<void(const std::string&)>& before_step);

/// What this machine does with as many threads: the best of several products as the encoder's in float32, by
/// any of the libraries, and of several copies and updates in place of arrays that are much larger than the
/// caches.
MachineRates measure_rates(const BenchProblem& problem);

}  // namespace msae::cli
