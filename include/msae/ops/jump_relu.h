/// \file
/// A learnt threshold per latent, and its straight-through gradients.
#pragma once

#include <torch/types.h>

#include "msae/core/export.h"

namespace msae::ops {

/// Pre-activations above their latent's threshold, zero elsewhere. With K(x) = 1 where |x| < 1/2, 0
/// elsewhere, the gradient with respect to a threshold t is estimated by -t / bandwidth * K((pre - t) /
/// bandwidth) (Rajamanoharan et al., arXiv 2407.14435, equation 11); that with respect to a pre-activation
/// counts where it is above the threshold.
/// \param pre       [rows, latents]
/// \param threshold [latents], positive
/// \param bandwidth positive, in units of pre-activations
/// \return [rows, latents]
/// \throws c10::Error when shapes do not fit or the bandwidth is not positive
MSAE_EXPORT torch::Tensor jump_relu(const torch::Tensor& pre, const torch::Tensor& threshold,
                                    double bandwidth);

/// 1 where a pre-activation is above its latent's threshold, 0 elsewhere: summed, the L0 of a row. The
/// gradient with respect to a threshold t is estimated by -1 / bandwidth * K((pre - t) / bandwidth) (equation
/// 12 there); a pre-activation gets none.
/// \param pre       [rows, latents]
/// \param threshold [latents], positive
/// \param bandwidth positive, in units of pre-activations
/// \return [rows, latents]
/// \throws c10::Error when shapes do not fit or the bandwidth is not positive
MSAE_EXPORT torch::Tensor step_above(const torch::Tensor& pre, const torch::Tensor& threshold,
                                     double bandwidth);

}  // namespace msae::ops
