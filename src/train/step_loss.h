// The forward half of a training step, shared by the autograd engine and training_loss().
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

struct StepLoss {
  torch::Tensor loss;            ///< scalar, differentiable
  torch::Tensor reconstruction;  ///< [rows, dim] in model space, as trained, detached
  torch::Tensor
      residual;          ///< [rows, dim] in model space, input - reconstruction at the widest level, detached
  torch::Tensor active;  ///< scalar, latents that are not zero as trained, all rows together
  torch::Tensor fired;   ///< [latents] bool, active in some row at the widest level
  torch::Tensor smallest_kept;  ///< as Choice::smallest_kept
};

/// \param normalised [rows, dim] in model space
/// \param dead       [latents] bool, those that TrainOptions::auxk is for; undefined: none
StepLoss step_loss(models::SparseAutoencoder& model, const torch::Tensor& normalised,
                   const TrainOptions& options, const torch::Tensor& dead = {});

/// TrainOptions::auxk_latents, or what it stands for at 0.
std::int64_t auxk_latents(const TrainOptions& options, std::int64_t dim);

}  // namespace msae::train
