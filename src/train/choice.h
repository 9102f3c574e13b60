// Which latents a training step keeps, level by level.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/models/sparse_autoencoder.h"

namespace msae::train {

/// A choice for one batch. A constant of the gradient.
struct Choice {
  torch::Tensor
      level;  ///< [rows, latents] uint8, the first level that keeps an entry; count() where none does
  std::vector<double> weights;  ///< of the levels' losses; they sum to 1
  std::int64_t trained = 0;     ///< the level that counts as "trained"
  /// [thresholds], where a model chooses over batches: the smallest score of a latent kept at each level,
  /// infinite where there is none; undefined for other kinds.
  torch::Tensor smallest_kept;

  std::int64_t count() const { return static_cast<std::int64_t>(weights.size()); }
};

/// \param pre [rows, latents] pre-activations, detached
Choice choose(const models::SparseAutoencoder& model, const torch::Tensor& pre);

/// Levels that keep every latent there is in a batch reconstruct alike: they become one, with their weights
/// added.
struct EffectiveLevels {
  std::vector<std::int64_t> levels;
  std::vector<double> weights;  ///< sum to 1
};
/// \param levels  latents kept per row, ascending
/// \param weights one per level
/// \param most    a number of latents that no row, or batch on average, exceeds
EffectiveLevels collapse(const std::vector<std::int64_t>& levels, const std::vector<double>& weights,
                         std::int64_t most, std::int64_t latents);

}  // namespace msae::train
