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
/// none. The sign plays no part.
/// \param pre    [rows, latents] pre-activations, floating point
/// \param levels ascending numbers of latents kept, from 0, at most 255 of them; the last ones may exceed the
///               number of latents
/// \return [rows, latents] uint8
/// \throws c10::Error on a wrong shape or levels that do not ascend
MSAE_EXPORT torch::Tensor nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels);

/// The rows * k largest of all pre-activations together (BatchTopK: Bussmann et al., arXiv 2412.06410), ties
/// by index. The sign plays no part.
/// \param pre [rows, latents] pre-activations, floating point
/// \param k   not negative; above the number of latents: all of them
/// \return [rows, latents] bool
/// \throws c10::Error on a wrong shape or k
MSAE_EXPORT torch::Tensor batch_topk_mask(const torch::Tensor& pre, std::int64_t k);

/// nested_levels() where levels[i] is a mean over the rows: an entry's level is the smallest i for which
/// batch_topk_mask(pre, levels[i]) keeps it.
/// \param pre    [rows, latents] pre-activations, floating point
/// \param levels as in nested_levels()
/// \return [rows, latents] uint8
/// \throws c10::Error on a wrong shape or levels that do not ascend
MSAE_EXPORT torch::Tensor batch_nested_levels(const torch::Tensor& pre,
                                              const std::vector<std::int64_t>& levels);

}  // namespace msae::ops
