// How long the step takes, whole and stage by stage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/gpu/problem.h"
#include "kernels/cuda/step.h"
#include "msae/train/engine.h"

namespace msae::gpu_benchmark {

struct Repeats {
  int stages = 50;  ///< steps that are timed stage by stage
  int steps = 200;  ///< steps that are timed whole, of each way to start them
};

/// What of the step was timed, and how long it took: medians, in milliseconds.
struct StepTimes {
  std::vector<std::int64_t> keep;        ///< [levels], latents kept
  std::vector<std::int64_t> kept;        ///< [levels], latents that each adds, all rows together
  kernels::cuda::DenseLevels dense;      ///< [levels]
  std::vector<train::StageTime> stages;  ///< one after another, each launch by launch
  double launched = 0;                   ///< the step, launch by launch: the host may be what it waits for
  double graph = 0;                      ///< the step, as one graph of launches
  double least_graph = 0, most_graph = 0;
};

/// Batches take turns, so that none of them is in a cache from the step before. Each is copied to where the
/// step reads it just before the step, as training does, which is not counted here.
StepTimes time_step(const Problem& problem, const Input& input, const Repeats& repeats);

/// The engine's own step(): a batch is copied, the step runs, and counts come back.
struct EngineTimes {
  double ms = 0;  ///< from the end of a step to the end of the next, median
  std::vector<train::MemoryUse> memory;
  std::int64_t batches = 0;  ///< bytes of the batches that the program has made
  std::int64_t peak = 0;     ///< bytes of LibTorch's memory at most, the batches included
};
/// \param input whose model is gone after it
EngineTimes time_engine(const Problem& problem, Input& input, const Repeats& repeats);

struct SweepPoint {
  double dense_level = 0;  ///< train::FusedOptions::dense_level
  kernels::cuda::DenseLevels dense;
  bool dense_encoder = false;  ///< whether the encoder's gradient is a dense product
  double graph = 0;
};
/// The step in every way that some dense_level leads to.
std::vector<SweepPoint> sweep_dense(const Problem& problem, const Input& input, const Repeats& repeats);

}  // namespace msae::gpu_benchmark
