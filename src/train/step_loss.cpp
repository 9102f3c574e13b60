#include "train/step_loss.h"

#include <algorithm>
#include <cmath>

#include "msae/ops/jump_relu.h"
#include "msae/ops/losses.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "msae/train/engine.h"
#include "train/choice.h"
#include "train/step_counters.h"

namespace msae::train {
namespace {

using models::SparseAutoencoder;

torch::Tensor reconstruction_loss(const torch::Tensor& reconstruction, const torch::Tensor& input,
                                  Loss loss) {
  switch (loss) {
    case Loss::mse:
      return ops::mse(reconstruction, input);
    case Loss::cosine:
      return ops::cosine_loss(reconstruction, input);
    default:
      return ops::nmse(reconstruction, input);
  }
}

const models::JumpRelu* jump_relu(const SparseAutoencoder& model) {
  return std::get_if<models::JumpRelu>(&model.activation());
}

// Latents for the choice to take from, differentiable; those of jump-relu also in its thresholds, whose
// gradient comes from either side of them: another relu() would let nothing through from below.
torch::Tensor latents_of(const SparseAutoencoder& model, const torch::Tensor& pre) {
  const auto* jump = jump_relu(model);
  if (!jump) return model.dense_latents(pre);
  return model.cap(ops::jump_relu(pre, model.log_threshold.exp(), jump->bandwidth));
}

torch::Tensor at_most(const torch::Tensor& latents, const torch::Tensor& level, std::int64_t most) {
  return torch::where(level <= most, latents, torch::zeros({}, latents.options()));
}

torch::Tensor sparsity_loss(const SparseAutoencoder& model, const torch::Tensor& latents,
                            const torch::Tensor& pre, const torch::Tensor& input, const TrainOptions& o) {
  auto loss = torch::zeros({}, input.options());
  if (o.l1 > 0) loss = loss + o.l1 * (o.l1_by_norm ? ops::l1(latents, input) : ops::plain_l1(latents));
  if (const auto* jump = jump_relu(model); jump && o.l0 > 0) {
    const auto above = ops::step_above(pre, model.log_threshold.exp(), jump->bandwidth);
    loss = loss + o.l0 * above.sum(1).mean();
  }
  return loss;
}

// What the k largest dead latents of each row explain of what the others leave over.
torch::Tensor auxk_loss(const SparseAutoencoder& model, const torch::Tensor& pre, const torch::Tensor& input,
                        const torch::Tensor& residual, const torch::Tensor& dead, std::int64_t k) {
  const auto latents = model.dense_latents(pre) * dead;
  const auto scores = model.scores(latents.detach()).masked_fill(dead.logical_not(), -INFINITY);
  const auto level = ops::nested_levels(scores, {std::min(k, model.latents())});
  // A row's mean is none of their business: they explain a difference of two rows.
  const auto explained = at_most(latents, level, 0).mm(model.decoder);
  const auto zero = torch::zeros({model.dim()}, input.options());
  return ops::nmse(model.restore_rows(explained, input) - model.restore_rows(zero, input), residual);
}

}  // namespace

std::int64_t auxk_latents(const TrainOptions& options, std::int64_t dim) {
  if (options.auxk_latents > 0) return options.auxk_latents;
  return std::int64_t{1} << std::max<std::int64_t>(0, std::llround(std::log2(static_cast<double>(dim) / 2)));
}

StepLoss step_loss(SparseAutoencoder& model, const torch::Tensor& normalised, const TrainOptions& options,
                   const torch::Tensor& dead) {
  const auto pre = model.pre_activations(normalised);
  const auto choice = choose(model, pre.detach());
  const auto latents = latents_of(model, pre);
  const auto decoded = ops::nested_decode(latents, choice.level, model.decoder, choice.count());
  const auto reconstructions = model.restore_rows(decoded + model.pre_bias, normalised);
  const auto weights = torch::tensor(choice.weights, normalised.options());

  StepLoss result;
  result.loss = (reconstruction_loss(reconstructions, normalised, options.loss) * weights).sum();
  if (options.l1 > 0 || options.l0 > 0) {
    const auto kept = at_most(latents, choice.level, choice.trained);
    result.loss = result.loss + sparsity_loss(model, kept, pre, normalised, options);
  }
  result.reconstruction = reconstructions[choice.trained].detach();
  result.residual = normalised - reconstructions[choice.count() - 1].detach();
  if (options.auxk > 0 && dead.defined() && dead.any().item<bool>()) {
    const auto k = auxk_latents(options, model.dim());
    result.loss = result.loss + options.auxk * auxk_loss(model, pre, normalised, result.residual, dead, k);
  }
  const auto nonzero = latents.detach() != 0;
  result.active = nonzero.logical_and(choice.level <= choice.trained).sum();
  result.fired = nonzero.logical_and(choice.level < choice.count()).any(0);
  result.smallest_kept = choice.smallest_kept;
  if (const auto weight = weight_of(normalised.size(0), options); weight != 1)
    result.loss = result.loss * weight;
  return result;
}

torch::Tensor training_loss(SparseAutoencoder& model, const torch::Tensor& batch,
                            const TrainOptions& options) {
  return step_loss(model, model.normalise(batch), options).loss;
}

}  // namespace msae::train
