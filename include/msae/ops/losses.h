/// \file
/// Reconstruction and sparsity losses, differentiable; the norms they are divided by count as constants.
#pragma once

#include <torch/types.h>

#include "msae/core/export.h"

namespace msae::ops {

/// Normalised squared error: the mean over rows of ||reconstruction - input||^2 / ||input - mean||^2. With
/// mean zero it is the loss of Gao et al. (arXiv 2406.04093). Rows with ||input - mean|| = 0 have no such
/// ratio: they are left out of sum and count.
/// \param reconstruction  [rows, dim] or [levels, rows, dim]
/// \param input           [rows, dim]
/// \param mean            [dim]; undefined: zero
/// \return scalar, or [levels]; 0 when no row counts
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor nmse(const torch::Tensor& reconstruction, const torch::Tensor& input,
                               const torch::Tensor& mean = {});

/// Mean over rows and coordinates of the squared error; shapes as nmse().
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor mse(const torch::Tensor& reconstruction, const torch::Tensor& input);

/// Mean over rows of (1 - cosine)^2, cosine that of input and reconstruction (the published "cosine" loss).
/// Rows where either is zero have no cosine: they are left out of sum and count. Shapes as nmse().
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor cosine_loss(const torch::Tensor& reconstruction, const torch::Tensor& input);

/// Mean over rows of sum_j |latent_j| / ||input||; rows with ||input|| = 0 are left out.
/// \param latents [rows, latents]
/// \param input   [rows, dim]
/// \return scalar
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor l1(const torch::Tensor& latents, const torch::Tensor& input);

/// Mean over rows of sum_j |latent_j|, whatever the input's norm (the published code calls it "l0").
/// \param latents [rows, latents]
/// \return scalar
/// \throws c10::Error when the shape does not fit
MSAE_EXPORT torch::Tensor plain_l1(const torch::Tensor& latents);

}  // namespace msae::ops
