#include "cli/trainer.h"

namespace msae::cli {

std::unique_ptr<train::Trainer> make_trainer(models::SparseAutoencoder& model,
                                             const train::TrainOptions& options) {
  return std::make_unique<train::Trainer>(model, options);
}

}  // namespace msae::cli
