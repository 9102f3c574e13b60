#include "cli/device_parts.h"
#include "msae/train/cuda.h"

namespace msae::cli {

train::TrainerParts parts_for(const models::SparseAutoencoder& model) {
  return train::cuda_parts(model);
}

std::string fused_obstacle_there(const models::SparseAutoencoder& model, const train::TrainOptions& options) {
  return model.decoder.is_cuda() ? train::cuda_obstacle(model, options)
                                 : train::fused_obstacle(model, options);
}

}  // namespace msae::cli
