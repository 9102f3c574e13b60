// What trains on a device: in one file or another, as the build has CUDA or not.
#pragma once

#include <string>

#include "msae/train/trainer.h"

namespace msae::cli {

/// Parts of a Trainer for the device that the model is on. The model must outlive them.
train::TrainerParts parts_for(const models::SparseAutoencoder& model);

/// Why no engine of our own trains the model where it is; empty where one does.
std::string fused_obstacle_there(const models::SparseAutoencoder& model, const train::TrainOptions& options);

}  // namespace msae::cli
