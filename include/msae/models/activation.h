/// \file
/// How pre-activations become latents. One small struct a kind; a model holds one of them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "msae/core/export.h"

namespace msae::models {

/// Every positive pre-activation; sparsity comes from an L1 loss.
struct Relu {};

/// The k largest positive pre-activations of each row.
struct TopK {
  std::int64_t k = 64;
};

/// The rows * k largest positive pre-activations of a training batch; at inference those above a threshold
/// learnt in training, so that a row's latents do not depend on its neighbours (Bussmann et al., arXiv
/// 2412.06410).
struct BatchTopK {
  std::int64_t k = 64;
};

/// Nested TopK levels trained together, the loss weighted over the levels (Zaigrajew et al., arXiv
/// 2502.20578).
struct Matryoshka {
  std::vector<std::int64_t> levels;  ///< ascending latents kept per level
  std::vector<double> weights = {};  ///< one per level; empty: all 1
};

using Activation = std::variant<Relu, TopK, BatchTopK, Matryoshka>;

/// "relu", "topk", "batch-topk" or "matryoshka".
MSAE_EXPORT std::string kind(const Activation& activation);

/// first, 2 first, 4 first, ... below `latents`, then `latents` itself.
/// \throws std::invalid_argument unless 1 <= first <= latents
MSAE_EXPORT std::vector<std::int64_t> doubling_levels(std::int64_t first, std::int64_t latents);

/// The default preset's: 8, 16, ..., 512, those below `latents`, then `latents` itself.
MSAE_EXPORT std::vector<std::int64_t> default_levels(std::int64_t latents);

/// L, L-1, ..., 1: the sparsest level weighs most ("reverse weighting" of the paper).
MSAE_EXPORT std::vector<double> reverse_weights(std::size_t levels);

/// \throws std::invalid_argument naming what is impossible for a dictionary of that many latents
MSAE_EXPORT void validate(const Activation& activation, std::int64_t latents);

}  // namespace msae::models
