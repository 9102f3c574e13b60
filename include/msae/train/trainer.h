/// \file
/// The training loop: epochs, schedule, logging, checkpoints, resume.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "msae/core/export.h"
#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/engine.h"
#include "msae/train/options.h"

namespace msae::train {

/// What a progress callback is told after a logged step.
struct Progress {
  std::int64_t step = 0;   ///< steps done
  std::int64_t steps = 0;  ///< steps in all
  std::int64_t epoch = 0;  ///< from 0
  std::int64_t rows_seen = 0;
  double learning_rate = 0;
  StepMetrics metrics;
  double seconds = 0;          ///< spent training, earlier parts of a resumed run included
  double rows_per_second = 0;  ///< since the last logged step
  double seconds_left = 0;     ///< at the mean speed of this session
};

/// What a run leaves on disk.
struct RunOptions {
  std::filesystem::path folder = {};  ///< empty: nothing is written
  std::string description = {};     ///< written to the folder's options.toml, so that the run can be repeated
  bool resume = false;              ///< go on from the folder's state, when it has one
  double save_every_seconds = 300;  ///< 0: not by time
  std::int64_t save_every_steps = 0;  ///< 0: not by steps
  std::int64_t log_every = 0;         ///< steps between rows of metrics.csv; 0: about 200 rows in all
};

struct TrainResult {
  bool finished = false;  ///< false: stopped on request
  std::int64_t steps = 0;
  double seconds = 0;
  double step_milliseconds = 0;     ///< median of this session's steps
  std::optional<StepMetrics> last;  ///< of the last logged step, if this session had any
};

class MSAE_EXPORT Trainer {
 public:
  /// The model must outlive the trainer. \throws std::invalid_argument
  Trainer(models::SparseAutoencoder& model, TrainOptions options);

  /// Called on the training thread after every logged step.
  void on_progress(std::function<void(const Progress&)> callback);
  /// fit() saves and returns after the current step once `*flag` is true; safe to set from a signal handler.
  void stop_when(const std::atomic<bool>* flag);

  /// Trains on all rows: takes the statistics of the data (unless resuming), then steps to the end. With a
  /// folder: writes metrics.csv and state/ as it goes and the model at the end, or when stopped. \throws
  /// std::invalid_argument when data and model differ in dimension or the batch exceeds the rows \throws
  /// msae::IoError when the data cannot be read or the folder not be written
  TrainResult fit(data::EmbeddingSource& rows, const RunOptions& run = {});

 private:
  models::SparseAutoencoder& model_;
  TrainOptions options_;
  std::function<void(const Progress&)> callback_;
  const std::atomic<bool>* stop_ = nullptr;
};

}  // namespace msae::train
