/// \file
/// What a saved training state holds, checked before it is taken over.
#pragma once

#include <torch/types.h>

#include <string>

#include "msae/core/export.h"
#include "msae/train/engine.h"

namespace msae::train {

/// The tensor of a saved state that is to become `like`.
/// \throws msae::IoError when it is missing, of another shape or type, or holds NaN or infinite values
MSAE_EXPORT torch::Tensor saved_tensor(const TensorMap& state, const std::string& name,
                                       const torch::Tensor& like);

}  // namespace msae::train
