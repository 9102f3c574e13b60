/// \file
/// From pre-activations to all levels' reconstructions in one differentiable step.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::ops {

/// What a Matryoshka of TopK levels reconstructs (Zaigrajew et al., arXiv 2502.20578), without its bias: with
/// level = nested_levels(pre, levels),
///
///     nested_decode(pre.relu(), level, decoder, levels.size()),
///
/// and the same gradients; the choice of latents is a constant of them. On the CPU, float32 and float64 take
/// one selection for all levels and touch the kept positive latents alone, forwards and backwards; the
/// results are the same bits for any number of threads. Beside the result that holds the kept latents and, on
/// the way back, the gradient of what each level adds. Such gradients have none of their own: for second
/// derivatives take the formula above, which is also what happens on other devices and to other types.
/// \param pre     [rows, latents] pre-activations, floating point: the positive ones are latents, of which a
///                level keeps a row's largest, ties by index
/// \param decoder [latents, dim], of the same type and on the same device
/// \param levels  latents kept per level, ascending from 0, from 1 to 255 of them; the last ones may exceed
///                the number of latents
/// \return [levels, rows, dim]
/// \throws c10::Error when shapes or types do not fit or levels do not ascend; on the way back when a graph of
///         the gradients is asked for where they have none
MSAE_EXPORT torch::Tensor nested_topk(const torch::Tensor& pre, const torch::Tensor& decoder,
                                      const std::vector<std::int64_t>& levels);

}  // namespace msae::ops
