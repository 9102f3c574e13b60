/// \file
/// How pre-activations become latents. One small struct a kind; a model holds one of them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "msae/core/export.h"

namespace msae::models {

/// What ranks a row's pre-activations, and which of them may become latents.
enum class Ranking {
  positive,  ///< the largest positive ones: latents are not negative
  value,  ///< the largest, negative ones too where positive ones run out (the published "TopK" without ReLU)
  magnitude  ///< those of the largest absolute value, their sign kept
};

/// "positive", "value" or "magnitude".
MSAE_EXPORT std::string ranking_name(Ranking ranking);
/// The ranking of that name. \throws std::invalid_argument for any other
MSAE_EXPORT Ranking ranking_named(const std::string& name);

/// Every pre-activation that Ranking lets pass; sparsity comes from an L1 loss, train::TrainOptions::l1.
struct Relu {};

/// The k largest pre-activations of each row (Gao et al., arXiv 2406.04093).
struct TopK {
  std::int64_t k = 64;  ///< latents kept at most per row, from 1 to all
};

/// The rows * k largest pre-activations of a training batch; at inference those above a threshold learnt in
/// training, so that a row's latents do not depend on its neighbours (Bussmann et al., arXiv 2412.06410).
struct BatchTopK {
  std::int64_t k = 64;  ///< latents kept per row at most, on average over a batch; from 1 to all
};

/// Nested TopK levels trained together, the loss weighted over the levels (Zaigrajew et al., arXiv
/// 2502.20578). Every level chooses from the whole dictionary.
struct Matryoshka {
  std::vector<std::int64_t> levels;  ///< latents kept per level, at most 64 of them, ascending from 1 to all
  std::vector<double> weights = {};  ///< one per level, not negative; only their ratios count; empty: all 1
  /// Levels keep rows * k of a training batch, as BatchTopK, and have a threshold each at inference.
  bool batch = false;
};

/// Pre-activations above a threshold per latent, itself learnt by a straight-through estimator; sparsity
/// comes from TrainOptions::l0 (Rajamanoharan et al., arXiv 2407.14435).
struct JumpRelu {
  double threshold = 0.1;  ///< of every latent at the start, positive; in units of pre-activations
  double bandwidth = 0.1;  ///< of the estimator's rectangle, positive; in units of pre-activations
};

/// The other model of that name (Bussmann et al., arXiv 2503.17547): BatchTopK over the whole dictionary, and
/// a reconstruction from the latents of each nested prefix of it, all trained together.
struct PrefixMatryoshka {
  std::int64_t k = 64;               ///< as BatchTopK::k
  std::vector<std::int64_t> sizes;   ///< of the prefixes, at most 64 of them, ascending; the last one is all
  std::vector<double> weights = {};  ///< as Matryoshka::weights, one per prefix
};

/// One of these. A model keeps it in SparseAutoencoderOptions::activation; ask with std::get_if.
using Activation = std::variant<Relu, TopK, BatchTopK, Matryoshka, JumpRelu, PrefixMatryoshka>;

/// "relu", "topk", "batch-topk", "matryoshka", "jump-relu" or "prefix-matryoshka".
MSAE_EXPORT std::string kind(const Activation& activation);

/// Number of nesting levels or prefixes: 1 for all other kinds.
MSAE_EXPORT std::int64_t level_count(const Activation& activation);

/// Whether training chooses over a batch, and inference by thresholds learnt there, one per level.
MSAE_EXPORT bool chooses_over_batch(const Activation& activation);

/// first, 2 first, 4 first, ... below `latents`, then `latents` itself; the published levels with first = 64.
/// \throws std::invalid_argument unless 1 <= first <= latents
MSAE_EXPORT std::vector<std::int64_t> doubling_levels(std::int64_t first, std::int64_t latents);

/// The default preset's: 8, 16, ..., 512, those below `latents`; of a dictionary of at most 512, then
/// `latents` itself. A level of thousands would cost twice as much as all these, and worsen them.
MSAE_EXPORT std::vector<std::int64_t> default_levels(std::int64_t latents);

/// Prefixes of an eighth, a quarter, half and all of the dictionary, those that hold a latent.
MSAE_EXPORT std::vector<std::int64_t> default_prefixes(std::int64_t latents);

/// L, L-1, ..., 1: the sparsest level weighs most ("reverse weighting" of Zaigrajew et al.).
MSAE_EXPORT std::vector<double> reverse_weights(std::size_t levels);

/// The default preset's: weights by which the loss is the mean over log k from the first level to the last,
/// by the trapezoidal rule. Of doubling levels the first and the last count half as much as each of the
/// others.
/// \param levels ascending from 1; one alone has weight 1
MSAE_EXPORT std::vector<double> trapezoid_weights(const std::vector<std::int64_t>& levels);

/// The weight of each level's loss: the activation's own, or all 1 where it names none.
MSAE_EXPORT std::vector<double> level_weights(const Activation& activation);

/// Does nothing but throw what cannot be.
/// \throws std::invalid_argument naming what is impossible for a dictionary of that many latents
MSAE_EXPORT void validate(const Activation& activation, std::int64_t latents);

}  // namespace msae::models
