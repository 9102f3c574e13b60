/// \file
/// How much of a known dictionary, that of synthetic data, was found.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// How well a dictionary recovers a known one.
struct Recovery {
  std::int64_t depth = 0;     ///< of the concepts that this speaks of; 0: all depths together
  std::int64_t concepts = 0;  ///< how many they are
  double cosine = 0;          ///< mean over the true concepts of the best cosine to any dictionary row
  double above = 0;           ///< share of the true concepts whose best cosine is above 0.9
  double random_cosine = 0;   ///< `cosine` of a dictionary of as many random directions: what chance gives
  double random_above = 0;    ///< `above` of that dictionary
};

/// Looks for each true concept in a dictionary, beside a random dictionary of that size. Costs concepts x
/// latents x dim operations and concepts x latents float64 of memory.
/// \param dictionary [latents, dim], rows of any length
/// \param truth      [concepts, dim], e.g. SyntheticTruth::dictionary
/// \param depth      [concepts], from 1, e.g. SyntheticTruth::depth
/// \param seed       of the random dictionary
/// \return all concepts together, then each depth ascending
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT std::vector<Recovery> concept_recovery(const torch::Tensor& dictionary,
                                                   const torch::Tensor& truth,
                                                   const std::vector<std::int32_t>& depth,
                                                   std::uint64_t seed = 42);

}  // namespace msae::eval
