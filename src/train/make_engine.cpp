#include <stdexcept>

#include "msae/train/engine.h"

namespace msae::train {

std::unique_ptr<Engine> make_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  const bool fused = options.engine == EngineKind::fused ||
                     (options.engine == EngineKind::automatic && fused_obstacle(model, options).empty());
  return fused ? make_fused_engine(model, options) : make_autograd_engine(model, options);
}

std::string fused_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options) {
  using models::Ranking;
  const auto& m = model.options();
  const auto type = model.decoder.scalar_type();
  if (!model.decoder.is_cpu()) return "it runs on the CPU alone";
  if (type != torch::kFloat32 && type != torch::kFloat64) return "it computes in float32 or float64";
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
