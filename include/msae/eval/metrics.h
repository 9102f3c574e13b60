/// \file
/// Metrics of reconstructions and dictionaries. All return float64 scalars or rows and keep no graph.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// Per row, the variance of the residual over the variance of the row, both across coordinates (the published
/// FVU). [rows, dim] x 2 -> [rows]; NaN where the row is constant.
MSAE_EXPORT torch::Tensor fvu_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Per row, the cosine of row and reconstruction; NaN where either is zero. [rows, dim] x 2 -> [rows]
MSAE_EXPORT torch::Tensor cosine_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Per row, mean |residual| / mean |row|; NaN where the row is zero. [rows, dim] x 2 -> [rows]
MSAE_EXPORT torch::Tensor nmae_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Mean over all latents^2 pairs of the squared dot product of different rows of the dictionary as stored, by
/// (||W^T W||_F^2 - sum_j ||w_j||^4) / latents^2, which needs dim x dim memory only. [latents, dim] -> scalar
MSAE_EXPORT double decoder_orthogonality(const torch::Tensor& decoder);

/// How well a dictionary recovers a known one.
struct Recovery {
  std::int64_t depth = 0;  ///< of the concepts in this row; 0: all depths together
  std::int64_t concepts = 0;
  double cosine = 0;         ///< mean over the true concepts of the best cosine to any dictionary row
  double above = 0;          ///< share of the true concepts whose best cosine is above 0.9
  double random_cosine = 0;  ///< the same for a random dictionary of that size
  double random_above = 0;
};

/// \param dictionary [latents, dim]  \param truth [concepts, dim]  \param depth [concepts]
/// \return all concepts together, then each depth ascending
MSAE_EXPORT std::vector<Recovery> concept_recovery(const torch::Tensor& dictionary,
                                                   const torch::Tensor& truth,
                                                   const std::vector<std::int32_t>& depth,
                                                   std::uint64_t seed = 42);

}  // namespace msae::eval
