#include "train/kernel_obstacle.h"

namespace msae::train {

std::string kernel_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options) {
  using models::Ranking;
  const auto& m = model.options();
  if (std::holds_alternative<models::JumpRelu>(m.activation) ||
      std::holds_alternative<models::PrefixMatryoshka>(m.activation)) {
    return "it does not know " + models::kind(m.activation) + " models";
  }
  if (m.tied) return "it does not know tied weights";
  if (m.normalise_rows) return "it does not know normalised rows";
  if (m.ranking != Ranking::positive) return "it knows latents that are not negative alone";
  for (const auto& item : model.named_parameters()) {
    if (!item.value().requires_grad()) return "it trains all parameters, and " + item.key() + " is frozen";
    if (!item.value().is_contiguous()) return "it needs parameters that are contiguous in memory";
  }
  if (options.loss == Loss::cosine) return "it does not know the cosine loss";
  if (options.resample_every > 0) return "it does not resample dead latents";
  return "";
}

}  // namespace msae::train
