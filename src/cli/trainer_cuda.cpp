#include "cli/trainer.h"
#include "msae/train/cuda.h"

namespace msae::cli {

std::unique_ptr<train::Trainer> make_trainer(models::SparseAutoencoder& model,
                                             const train::TrainOptions& options) {
  if (model.decoder.is_cuda()) return std::make_unique<train::CudaTrainer>(model, options);
  return std::make_unique<train::Trainer>(model, options);
}

}  // namespace msae::cli
