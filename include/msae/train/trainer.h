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
  std::int64_t step = 0;       ///< steps done
  std::int64_t steps = 0;      ///< steps in all
  std::int64_t epoch = 0;      ///< of the last step, from 0
  std::int64_t rows_seen = 0;  ///< by all steps done
  double learning_rate = 0;    ///< of the last step
  StepMetrics metrics;         ///< since the last logged step
  double seconds = 0;          ///< spent training, earlier parts of a resumed run included
  double rows_per_second = 0;  ///< since the last logged step
  double seconds_left = 0;     ///< at the mean speed of this session
};

/// What a run leaves on disk, and how often it speaks.
struct RunOptions {
  std::filesystem::path folder = {};  ///< new or empty, unless resuming; empty path: nothing is written
  std::string description = {};     ///< written to the folder's options.toml, so that the run can be repeated
  bool resume = false;              ///< go on from the folder's state, when it has one
  double save_every_seconds = 300;  ///< 0: not by time
  std::int64_t save_every_steps = 0;  ///< 0: not by steps
  /// Steps between rows of metrics.csv and calls of the progress callback; 0: about 200 of them in all.
  std::int64_t log_every = 0;
};

/// How Trainer::fit() ended.
struct TrainResult {
  bool finished = false;            ///< false: stopped on request
  std::int64_t steps = 0;           ///< done, those before a resume included
  double seconds = 0;               ///< spent training, those before a resume included
  double step_milliseconds = 0;     ///< median of this session's steps
  double first_rows_seconds = 0;    ///< this session waited for its first batch, and what is read before it
  double waiting_seconds = 0;       ///< this session waited for the batches after that
  std::optional<StepMetrics> last;  ///< of the last logged step, if this session had any
};

/// Rows that stay on a device from one run to the next on the same data: of the same source object, and to be
/// kept as the same type. Those of other data take their place.
class MSAE_EXPORT KeptRows {
 public:
  KeptRows();
  /// Gives the memory back, once no run uses it.
  ~KeptRows();
  KeptRows(const KeptRows&) = delete;
  KeptRows& operator=(const KeptRows&) = delete;

  class Impl;
  /// For the Trainer.
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// What a Trainer is made of beside its loop, where the defaults do not serve.
struct TrainerParts {
  /// Makes the engine, once the model has the statistics of the data. May throw msae::Error where the engine
  /// has not the memory it needs, saying what to lower.
  std::function<std::unique_ptr<Engine>(models::SparseAutoencoder&, const TrainOptions&)> engine =
      make_engine;
  /// Free memory of the model's device, in bytes. Where the training data takes at most half of it, all rows
  /// are kept there: as float32, or else as float16, which rounds them (a line of the log says so). Unset:
  /// rows come from the machine's memory, or the file, batch by batch; on a GPU they are copied while the
  /// step before is at work.
  std::function<std::uint64_t()> free_memory = {};
  /// Where rows on the device stay for the trainers that come after, as those of a sweep; unset: they go with
  /// the run.
  std::shared_ptr<KeptRows> kept_rows = {};
};

/// Trains a model on a source of embeddings. On one CPU the same options, data and number of threads give the
/// same bits, also through a stop and a resume.
class MSAE_EXPORT Trainer {
 public:
  virtual ~Trainer() = default;

  /// The model must outlive the trainer, and be on the device to train on.
  /// \throws std::invalid_argument naming the option that is impossible
  Trainer(models::SparseAutoencoder& model, TrainOptions options, TrainerParts parts = {});

  /// Called on the training thread after every logged step. What it throws ends fit().
  void on_progress(std::function<void(const Progress&)> callback);
  /// Called with the share done while the statistics of the data are taken, and while its rows are brought to
  /// the device if they are kept there, before the first step; may throw to stop.
  void on_reading(std::function<void(double share)> callback);
  /// fit() saves and returns after the current step once `*flag` is true; safe to set from a signal handler.
  /// The flag must outlive fit().
  /// While the data is read before the first step there is nothing to save: it returns at once, and writes
  /// nothing.
  void stop_when(const std::atomic<bool>* flag);

  /// Trains on all rows: takes the statistics of the data (unless there is a state to resume), then steps to
  /// the end. With a folder: writes metrics.csv and state/ as it goes and the model at the end, or when
  /// stopped.
  /// \param rows raw embeddings [rows, dim]
  /// \param run  what to write where; by default nothing, and the trained model is the result
  /// \return how it ended
  /// \throws std::invalid_argument when data and model differ in dimension, the batch exceeds the rows, or an
  ///         option does not suit the model
  /// \throws msae::IoError when the data cannot be read, or the folder cannot be written, is not empty or in
  ///         use, or holds a run with other options or data than the one to resume, or rows rounded to
  ///         float16 for which there is no room now
  /// \throws msae::Error when training diverges, all rows are equal, or there is not enough memory
  TrainResult fit(data::EmbeddingSource& rows, const RunOptions& run = {});

 private:
  models::SparseAutoencoder& model_;
  TrainOptions options_;
  TrainerParts parts_;
  std::function<void(const Progress&)> callback_;
  std::function<void(double)> reading_;
  const std::atomic<bool>* stop_ = nullptr;
};

}  // namespace msae::train
