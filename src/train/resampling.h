// Fresh starts for latents that no row activates.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "msae/models/sparse_autoencoder.h"

namespace msae::train {

/// Points each dead latent at a row that is badly explained (Bricken et al., "Towards Monosemanticity",
/// 2023): rows are drawn with a probability proportional to their squared loss; the decoder row becomes the
/// drawn row's direction, the encoder row the same at a fifth of the mean norm of those that live, the bias
/// zero, a threshold what it was at the start.
/// \param input    [rows, dim] in model space
/// \param residual [rows, dim], what is left unexplained of it
/// \param dead     [latents] bool
/// \param seed     of the drawing
/// \return whether there was anything to do
bool resample(models::SparseAutoencoder& model, const torch::Tensor& input, const torch::Tensor& residual,
              const torch::Tensor& dead, std::uint64_t seed);

}  // namespace msae::train
