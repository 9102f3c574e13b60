/// \file
/// How pre-activations become latents. One small struct a kind; a model holds one of them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "msae/core/export.h"

namespace msae::models {

/// Every positive pre-activation; sparsity comes from an L1 loss, train::TrainOptions::l1.
struct Relu {};

/// The k largest positive pre-activations of each row (Gao et al., arXiv 2406.04093).
struct TopK {
  std::int64_t k = 64;  ///< latents kept at most per row, from 1 to all
};

/// The rows * k largest positive pre-activations of a training batch; at inference those above a threshold
/// learnt in training, so that a row's latents do not depend on its neighbours (Bussmann et al., arXiv
/// 2412.06410).
struct BatchTopK {
  std::int64_t k = 64;  ///< latents kept per row at most, on average over a batch; from 1 to all
};

/// Nested TopK levels trained together, the loss weighted over the levels (Zaigrajew et al., arXiv
/// 2502.20578). Every level chooses from the whole dictionary; Bussmann et al. (arXiv 2503.17547), under the
/// same name, nest prefixes of the dictionary.
struct Matryoshka {
  std::vector<std::int64_t> levels;  ///< latents kept per level, at most 64 of them, ascending from 1 to all
  std::vector<double> weights = {};  ///< one per level, not negative; only their ratios count; empty: all 1
};

/// One of the four. A model keeps it in SparseAutoencoderOptions::activation; ask with std::get_if.
using Activation = std::variant<Relu, TopK, BatchTopK, Matryoshka>;

/// "relu", "topk", "batch-topk" or "matryoshka".
MSAE_EXPORT std::string kind(const Activation& activation);

/// first, 2 first, 4 first, ... below `latents`, then `latents` itself; the published levels with first = 64.
/// \throws std::invalid_argument unless 1 <= first <= latents
MSAE_EXPORT std::vector<std::int64_t> doubling_levels(std::int64_t first, std::int64_t latents);

/// The default preset's: 8, 16, ..., 512, those below `latents`, then `latents` itself.
MSAE_EXPORT std::vector<std::int64_t> default_levels(std::int64_t latents);

/// L, L-1, ..., 1: the sparsest level weighs most ("reverse weighting" of Zaigrajew et al.).
MSAE_EXPORT std::vector<double> reverse_weights(std::size_t levels);

/// The weight of each level's loss: the model's own, or all 1 where it names none.
MSAE_EXPORT std::vector<double> level_weights(const Matryoshka& nested);

/// Does nothing but throw what cannot be.
/// \throws std::invalid_argument naming what is impossible for a dictionary of that many latents
MSAE_EXPORT void validate(const Activation& activation, std::int64_t latents);

}  // namespace msae::models
