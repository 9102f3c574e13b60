#include "cli/device_parts.h"

namespace msae::cli {

train::TrainerParts parts_for(const models::SparseAutoencoder&) {
  return {};
}

std::string fused_obstacle_there(const models::SparseAutoencoder& model, const train::TrainOptions& options) {
  return train::fused_obstacle(model, options);
}

}  // namespace msae::cli
