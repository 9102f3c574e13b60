// Who has which products: what was asked for is never silently replaced by another.
#pragma once

#include <string>

#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

inline constexpr const char* tf32_is_for_cuda = "tf32 products are for CUDA devices";

/// What no engine has on the model's device.
/// \throws std::invalid_argument naming the option: for tf32 on the CPU
void require_precision(const models::SparseAutoencoder& model, const TrainOptions& options);

/// Called before the autograd engine takes the place of a fused one, as it computes in full precision alone.
/// \param obstacle why the fused engine does not take the model, "it ..."; empty where it was not asked for
/// \throws std::invalid_argument naming the option: as require_precision(), and on a GPU for all but full.
///         Where autograd stands in on the CPU, bfloat16 is of no matter to it.
void require_precision_of_autograd(const models::SparseAutoencoder& model, const TrainOptions& options,
                                   const std::string& obstacle);

}  // namespace msae::train
