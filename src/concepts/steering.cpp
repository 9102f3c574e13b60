#include "msae/concepts/steering.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "msae/core/error.h"

namespace msae::concepts {

Steered steer(models::SparseAutoencoder& model, const torch::Tensor& embeddings,
              const std::vector<LatentEdit>& edits, const SteeringOptions& options) {
  for (const auto& edit : edits) {
    if (edit.latent < 0 || edit.latent >= model.latents()) {
      throw std::invalid_argument("latent: must be from 0 to " + std::to_string(model.latents() - 1) +
                                  ", not " + std::to_string(edit.latent));
    }
    if (!std::isfinite(edit.factor) || !std::isfinite(edit.offset)) {
      throw std::invalid_argument("latent: a factor or value is NaN or Inf");
    }
  }
  const torch::NoGradGuard no_grad;
  Steered result{
      .before = model.encode(embeddings, options.point, options.coding), .after = {}, .embeddings = {}};
  result.after = result.before.clone();
  for (const auto& edit : edits) result.after.select(1, edit.latent).mul_(edit.factor).add_(edit.offset);
  result.embeddings = model.decode(result.after, embeddings);
  // In this order nothing is lost to rounding where nothing is edited.
  if (options.keep_residual) {
    result.embeddings = embeddings + (result.embeddings - model.decode(result.before, embeddings));
  }
  if (!result.embeddings.isfinite().all().item<bool>()) {
    throw Error("the steered rows overflow; edit by less");
  }
  return result;
}

}  // namespace msae::concepts
