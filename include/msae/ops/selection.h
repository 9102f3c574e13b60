/// \file
/// Which latents a row keeps. Not differentiable: a selection is a constant of the gradient.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::ops {

/// The nesting level of every latent. Each row's latents are ranked by (pre-activation descending, index
/// ascending); an entry's level is the smallest i with rank < levels[i], or levels.size() when it is kept by
/// none. \param pre     [rows, latents] pre-activations \param levels  ascending numbers of latents kept, at
/// most 255 of them; a level may exceed the number of latents \return [rows, latents] uint8 \throws
/// c10::Error on a wrong shape or levels that do not ascend
MSAE_EXPORT torch::Tensor nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels);

/// The rows * k largest of all pre-activations together (BatchTopK), ties by index. \return [rows, latents]
/// bool
MSAE_EXPORT torch::Tensor batch_topk_mask(const torch::Tensor& pre, std::int64_t k);

}  // namespace msae::ops
