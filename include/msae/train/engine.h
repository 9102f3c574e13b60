/// \file
/// One optimisation step. The Trainer owns the loop and knows no arithmetic; an Engine owns the arithmetic
/// and knows no files.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

using TensorMap = std::map<std::string, torch::Tensor>;

/// Means over the steps since they were last taken, weighted by rows.
struct StepMetrics {
  double loss = 0;
  double fvu = 0;     ///< as trained (matryoshka: the first level), in model space
  double active = 0;  ///< mean latents > 0 per row, as trained
  std::int64_t dead =
      0;  ///< latents that no row activated at the widest level for TrainOptions::dead_after rows
};

class MSAE_EXPORT Engine {
 public:
  virtual ~Engine() = default;

  /// One step on a batch of raw embeddings [rows, dim] on the model's device.
  virtual void step(const torch::Tensor& batch, double learning_rate) = 0;

  /// Waits for the device, returns the metrics since the last call and starts anew.
  virtual StepMetrics take_metrics() = 0;

  /// Everything beyond the model that a later step depends on (moments, counters), and its way back.
  virtual TensorMap state() const = 0;
  virtual void restore(const TensorMap& state) = 0;
};

/// The plain truth: LibTorch's autograd and AdamW, on any device. Every model kind and option.
/// The model must outlive the engine.
MSAE_EXPORT std::unique_ptr<Engine> make_autograd_engine(models::SparseAutoencoder& model,
                                                         const TrainOptions& options);

/// The loss a step minimises, differentiable: what an own training loop calls.
/// \param batch raw embeddings [rows, dim]
MSAE_EXPORT torch::Tensor training_loss(models::SparseAutoencoder& model, const torch::Tensor& batch,
                                        const TrainOptions& options);

}  // namespace msae::train
