#include "train/saved_tensor.h"

#include "msae/core/error.h"

namespace msae::train {

torch::Tensor saved_tensor(const TensorMap& state, const std::string& name, const torch::Tensor& like) {
  const auto found = state.find(name);
  if (found == state.end()) throw IoError(name + " is missing");
  const auto& tensor = found->second;
  if (tensor.sizes() != like.sizes() || tensor.scalar_type() != like.scalar_type()) {
    throw IoError(name + " has another shape or type than this run's");
  }
  if (!tensor.isfinite().all().item<bool>()) throw IoError(name + " holds NaN or infinite values");
  return tensor;
}

}  // namespace msae::train
