/// \file
/// Absolute errors of reconstructions.
#pragma once

#include <torch/types.h>

#include "msae/core/export.h"

namespace msae::eval {

/// Per row, normalised mean absolute error in float64: mean |residual| / mean |row|, as the published
/// implementation of Zaigrajew et al. (arXiv 2502.20578) has it. Costs a few passes over rows x dim, and
/// keeps no graph.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where the row is zero
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor nmae_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

}  // namespace msae::eval
