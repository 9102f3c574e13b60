// What an engine counts from step to step. Exported for msae::cuda, which users of msae need not have.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/core/export.h"
#include "msae/train/engine.h"

namespace msae::train {

/// Sums for the metrics, and when each latent was last active. Stays on the device of the model.
class MSAE_EXPORT StepCounters {
 public:
  StepCounters(const models::SparseAutoencoder& model, const TrainOptions& options);

  /// Counts a step.
  /// \param rows  of the batch
  /// \param sums  [4] float64: the loss as minimised, the sums of squared residuals as trained and of squared
  ///              rows, and the number of latents active as trained
  /// \param fired [latents] bool
  void add(std::int64_t rows, const torch::Tensor& sums, const torch::Tensor& fired);

  /// Counts a step whose sums and activity the device has written to sums() and last_active() itself.
  void advance(std::int64_t rows);
  /// What a batch's loss counts, beside its rows.
  double loss_weight(std::int64_t rows) const;
  double* sums() { return sums_.data_ptr<double>(); }                            ///< [5]: as add(), and rows
  std::int64_t* last_active() { return last_active_.data_ptr<std::int64_t>(); }  ///< [latents]
  std::int64_t rows_seen() const { return rows_seen_; }

  StepMetrics take();

  /// Latents silent for longer than TrainOptions::dead_after: [latents] bool.
  torch::Tensor dead() const;
  /// Lets latents [latents] bool start as if they had just been active.
  void revive(const torch::Tensor& which);

  std::int64_t steps() const { return steps_; }

  void save(TensorMap& state) const;
  /// \throws msae::IoError when an entry is missing or not what it should be
  void restore(const TensorMap& state);

 private:
  std::int64_t batch_size_, dead_after_;
  bool weigh_short_batch_;
  torch::Tensor sums_;         ///< [5] float64, since the metrics were last taken
  torch::Tensor last_active_;  ///< [latents] int64, rows seen when last active
  std::int64_t rows_seen_ = 0;
  std::int64_t steps_ = 0;
};

/// Share of the loss that a batch has, of one of full size.
MSAE_EXPORT double weight_of(std::int64_t rows, const TrainOptions& options);

/// Moves the thresholds of a model that chooses over batches towards the smallest scores that one batch kept.
/// \param smallest_kept [thresholds], infinite where nothing was kept
/// \param steps         done before this one
MSAE_EXPORT void follow_threshold(models::SparseAutoencoder& model, const torch::Tensor& smallest_kept,
                                  std::int64_t steps);

/// Added to norms, or the least that rows are divided by: the precision of a type.
MSAE_EXPORT double epsilon_of(const torch::Tensor& t);

/// Refuses options that are impossible or incomplete, or have no say in a model of that kind.
/// \throws std::invalid_argument naming the option
MSAE_EXPORT void check(const models::SparseAutoencoder& model, const TrainOptions& options);

}  // namespace msae::train
