/// \file
/// Metrics of reconstructions and dictionaries, computed in float64. They keep no graph, and throw c10::Error
/// when shapes do not fit.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// Per row, the variance of the residual over the variance of the row, both across coordinates (the FVU of
/// the published implementation of Zaigrajew et al., arXiv 2502.20578). It does not see a constant offset.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where the row is constant
MSAE_EXPORT torch::Tensor fvu_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Per row, the cosine of row and reconstruction.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where either is zero
MSAE_EXPORT torch::Tensor cosine_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Per row, normalised mean absolute error: mean |residual| / mean |row|.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where the row is zero
MSAE_EXPORT torch::Tensor nmae_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// Mean over all latents^2 pairs of the squared dot product of different rows of the dictionary as stored, by
/// (||W^T W||_F^2 - sum_j ||w_j||^4) / latents^2, which needs dim x dim memory only. 0: all rows are
/// orthogonal.
/// \param decoder [latents, dim]
MSAE_EXPORT double decoder_orthogonality(const torch::Tensor& decoder);

/// How well a dictionary recovers a known one.
struct Recovery {
  std::int64_t depth = 0;     ///< of the concepts that this speaks of; 0: all depths together
  std::int64_t concepts = 0;  ///< how many they are
  double cosine = 0;          ///< mean over the true concepts of the best cosine to any dictionary row
  double above = 0;           ///< share of the true concepts whose best cosine is above 0.9
  double random_cosine = 0;   ///< `cosine` of a dictionary of as many random directions: what chance gives
  double random_above = 0;    ///< `above` of that dictionary
};

/// Looks for each true concept in a dictionary, beside a random dictionary of that size.
/// \param dictionary [latents, dim], rows of any length
/// \param truth      [concepts, dim], e.g. SyntheticTruth::dictionary
/// \param depth      [concepts], from 1, e.g. SyntheticTruth::depth
/// \param seed       of the random dictionary
/// \return all concepts together, then each depth ascending
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT std::vector<Recovery> concept_recovery(const torch::Tensor& dictionary,
                                                   const torch::Tensor& truth,
                                                   const std::vector<std::int32_t>& depth,
                                                   std::uint64_t seed = 42);

}  // namespace msae::eval
