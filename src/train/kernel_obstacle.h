// What no engine of our own kernels can do, on any device.
#pragma once

#include <string>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

/// In words, to go after "it does not train this model, as"; empty where there is nothing.
MSAE_EXPORT std::string kernel_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options);

}  // namespace msae::train
