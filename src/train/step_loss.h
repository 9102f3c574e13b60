// The forward half of a training step, shared by the autograd engine and training_loss().
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

struct StepLoss {
  torch::Tensor loss;  ///< scalar, differentiable
  torch::Tensor
      reconstruction;    ///< [rows, dim] in model space, as trained (matryoshka: the first level), detached
  torch::Tensor active;  ///< scalar, latents > 0 as trained, all rows together
  torch::Tensor fired;   ///< [latents] bool, active in some row at the widest level
  torch::Tensor smallest_kept;  ///< scalar, batch-topk: the smallest latent kept; undefined for other kinds
};

/// \param normalised [rows, dim] in model space
StepLoss step_loss(models::SparseAutoencoder& model, const torch::Tensor& normalised,
                   const TrainOptions& options);

/// Levels that keep every positive latent of a batch reconstruct alike: they become one, with their weights
/// added.
struct EffectiveLevels {
  std::vector<std::int64_t> levels;
  std::vector<double> weights;  ///< sum to 1
};
EffectiveLevels collapse(const models::Matryoshka& nested, std::int64_t most_positives, std::int64_t latents);

}  // namespace msae::train
