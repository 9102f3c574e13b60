#include "train/precision.h"

#include <stdexcept>

namespace msae::train {

void require_precision(const models::SparseAutoencoder& model, const TrainOptions& options) {
  if (options.fused.precision != Precision::tf32 || !model.decoder.is_cpu()) return;
  throw std::invalid_argument(std::string("precision: ") + tf32_is_for_cuda);
}

void require_precision_of_autograd(const models::SparseAutoencoder& model, const TrainOptions& options,
                                   const std::string& obstacle) {
  require_precision(model, options);
  if (options.fused.precision == Precision::full || model.decoder.is_cpu()) return;
  throw std::invalid_argument(
      "precision: the autograd engine computes in full precision alone" +
      (obstacle.empty() ? "" : ", and the fused one does not take this: " + obstacle));
}

}  // namespace msae::train
