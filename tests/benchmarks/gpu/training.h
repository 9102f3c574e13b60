// A whole training run on rows that need no file.
#pragma once

#include <cstdint>

#include "msae/train/options.h"

namespace msae::gpu_benchmark {

struct TrainingTimes {
  std::int64_t rows = 0, dim = 0, latents = 0, epochs = 0, steps = 0;
  double seconds = 0;           ///< of fit(), all in all
  double reading = 0;           ///< seconds of that before the first step: statistics, and rows to the device
  double making = 0;            ///< seconds of those in which the rows were made
  double training = 0;          ///< seconds of that from the first step to the last
  double step_ms = 0;           ///< median, as the host sees it
  double rows_per_second = 0;   ///< while training
  double loss = 0, active = 0;  ///< of the last logged steps
  std::int64_t peak = 0;        ///< bytes of LibTorch's memory at most, resident rows included
};

/// Trains a Matryoshka of 8 times as many latents by CudaTrainer, with default options.
TrainingTimes time_training(std::int64_t rows, std::int64_t dim, std::int64_t epochs,
                            train::Precision precision);

}  // namespace msae::gpu_benchmark
