/// \file
/// All levels' reconstructions at once, differentiable.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/core/export.h"

namespace msae::ops {

/// Reconstruction of every nesting level from latents and their level. In closed form,
///
///     out[0] = Z_0 W,  out[i] = out[i-1] + Z_i W,   Z_i = latents where level == i, else 0,
///
/// and backwards, with G_i = g_i + G_(i+1) the suffix sums of the incoming gradients,
///
///     d latents = G_level . W  (0 where no level keeps the entry),   d W = sum_i Z_i^T G_i.
///
/// Every level is a prefix of the same ranking, so out[i] is decode(TopK_(k_i)). One level's latents are held
/// at a time, and memory beside the result is a few times rows x latents.
/// \param latents  [rows, latents] non-negative
/// \param level    [rows, latents] uint8 as nested_levels() gives it
/// \param decoder  [latents, dim]
/// \param levels   number of levels L
/// \return [L, rows, dim]
/// \throws c10::Error when shapes or types do not fit
MSAE_EXPORT torch::Tensor nested_decode(const torch::Tensor& latents, const torch::Tensor& level,
                                        const torch::Tensor& decoder, std::int64_t levels);

}  // namespace msae::ops
