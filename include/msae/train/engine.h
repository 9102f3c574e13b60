/// \file
/// One optimisation step. The Trainer owns the loop and knows no arithmetic; an Engine owns the arithmetic
/// and knows no files.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

/// Tensors by name, as a file of them has it.
using TensorMap = std::map<std::string, torch::Tensor>;

/// Means over the steps since they were last taken, weighted by rows.
struct StepMetrics {
  double loss = 0;  ///< what the steps minimised, L1 part included
  /// Sum of squared residuals over the sum of ||u||^2 in model space, where the training data's mean is 0; as
  /// trained (matryoshka: the first level).
  double fvu = 0;
  double active = 0;  ///< mean latents > 0 per row, as trained
  /// Latents that no row activated at the widest level for TrainOptions::dead_after rows.
  std::int64_t dead = 0;
};

/// What a part of a step took.
struct StageTime {
  std::string name;         ///< of the part
  double milliseconds = 0;  ///< of the clock
};

/// What the fused engine saw in its last step; what its stages have to do depends on it.
struct StepShape {
  std::int64_t rows = 0;     ///< of the batch
  std::int64_t entries = 0;  ///< latents active at the widest level, all rows together
  std::int64_t levels = 0;   ///< that differ: those that keep every positive pre-activation count as one
};

/// Memory that an engine keeps beyond parameters, gradients and moments.
struct MemoryUse {
  std::string name;        ///< what it holds
  std::int64_t bytes = 0;  ///< taken
};

/// The arithmetic of a training run, one step at a time.
class MSAE_EXPORT Engine {
 public:
  virtual ~Engine() = default;

  /// One step on a batch of raw embeddings [rows, dim] on the model's device, in its precision.
  virtual void step(const torch::Tensor& batch, double learning_rate) = 0;

  /// Waits for the device, returns the metrics since the last call and starts anew. All 0 where there was no
  /// step.
  virtual StepMetrics take_metrics() = 0;

  /// Everything beyond the model that a later step depends on (moments, counters). The tensors may be the
  /// engine's own, which the next step changes: write or copy them before it.
  virtual TensorMap state() const = 0;
  /// Goes on from a state(), whose tensors are copied; further entries are ignored. The model's own
  /// parameters and buffers are the caller's to restore.
  /// \throws msae::IoError when an entry is missing or of another shape
  virtual void restore(const TensorMap& state) = 0;

  /// The stages of the last step, in order; empty for an engine that does not tell them apart.
  virtual std::vector<StageTime> stages() const { return {}; }
  /// What the last step had to do; all 0 for an engine that does not tell.
  virtual StepShape shape() const { return {}; }
  /// Its workspaces; empty for an engine that keeps none.
  virtual std::vector<MemoryUse> memory() const { return {}; }
};

/// The engine that TrainOptions::engine asks for.
/// \throws std::invalid_argument as its maker; for EngineKind::fused also what fused_obstacle() says
MSAE_EXPORT std::unique_ptr<Engine> make_engine(models::SparseAutoencoder& model,
                                                const TrainOptions& options);

/// Why the fused engine does not take this model with these options, in words; empty where it does: float32
/// or float64 on the CPU, relu, topk, batch-topk and matryoshka with positive latents, TrainOptions::loss
/// nmse or mse.
MSAE_EXPORT std::string fused_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options);

/// All levels in one pass over the latents that are active, without autograd, on all threads of the CPU. The
/// same numbers as the autograd engine up to rounding, the same bits whatever the number of threads.
/// \param model   must outlive the engine, and stay where it is
/// \param options as for make_autograd_engine()
/// \throws std::invalid_argument for impossible options, and with fused_obstacle()
MSAE_EXPORT std::unique_ptr<Engine> make_fused_engine(models::SparseAutoencoder& model,
                                                      const TrainOptions& options);

/// The plain truth: LibTorch's autograd and AdamW (Loshchilov and Hutter, arXiv 1711.05101), on any device.
/// Every model kind and option. Unless UnitNorm says otherwise, a step takes out of the gradient of each
/// decoder row what would only change the row's length, and keeps the rows at unit norm.
/// \param model   must outlive the engine, and stay on its device
/// \param options what to minimise and how; epochs, steps and schedule are the caller's
/// \throws std::invalid_argument for impossible options, and those that a model of that kind has no use for:
///         l1 on matryoshka, l0 on all but jump-relu, UnitNorm::before_step on tied weights
MSAE_EXPORT std::unique_ptr<Engine> make_autograd_engine(models::SparseAutoencoder& model,
                                                         const TrainOptions& options);

/// The loss a step minimises, differentiable: what an own training loop calls. What else a step does (unit
/// decoder rows, clipping, thresholds of models that choose over batches, auxk, resampling) is the loop's.
/// \param model   whose parameters get the gradients
/// \param batch   raw embeddings [rows, dim]
/// \param options of which loss, l1, l1_by_norm, l0, and weigh_short_batch with batch_size matter; set
///                batch_size to the rows of a full batch, or weigh_short_batch to false
/// \return scalar; for matryoshka the mean over levels, weighted by Matryoshka::weights
/// \throws c10::Error when the shape does not fit
MSAE_EXPORT torch::Tensor training_loss(models::SparseAutoencoder& model, const torch::Tensor& batch,
                                        const TrainOptions& options);

}  // namespace msae::train
