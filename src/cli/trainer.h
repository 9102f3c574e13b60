// The Trainer of this build, which a file a backend makes.
#pragma once

#include <memory>

#include "msae/train/trainer.h"

namespace msae::cli {

/// For the device that the model is on. \throws as train::Trainer
std::unique_ptr<train::Trainer> make_trainer(models::SparseAutoencoder& model,
                                             const train::TrainOptions& options);

}  // namespace msae::cli
