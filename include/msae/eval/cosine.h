/// \file
/// Directions of reconstructions.
#pragma once

#include <torch/types.h>

#include "msae/core/export.h"

namespace msae::eval {

/// Per row, the cosine of row and reconstruction, in float64: x . y / (||x|| ||y||). Costs a few passes over
/// rows x dim, and keeps no graph.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where either is zero
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor cosine_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

}  // namespace msae::eval
