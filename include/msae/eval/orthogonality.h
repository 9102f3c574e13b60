/// \file
/// Angles within a dictionary.
#pragma once

#include <torch/types.h>

#include "msae/core/export.h"

namespace msae::eval {

/// Mean over all latents^2 pairs of the squared dot product of different rows of the dictionary as stored
/// (the DO of Zaigrajew et al., arXiv 2502.20578), in float64, by (||W^T W||_F^2 - sum_j ||w_j||^4) /
/// latents^2. Costs latents x dim^2 operations and dim x dim memory.
/// \param decoder [latents, dim]
/// \return 0: all rows are orthogonal
/// \throws c10::Error when the shape does not fit
MSAE_EXPORT double decoder_orthogonality(const torch::Tensor& decoder);

}  // namespace msae::eval
