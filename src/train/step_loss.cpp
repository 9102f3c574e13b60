#include "train/step_loss.h"

#include <numeric>

#include "msae/ops/losses.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "msae/train/engine.h"

namespace msae::train {
namespace {

torch::Tensor reconstruction_loss(const torch::Tensor& reconstruction, const torch::Tensor& input,
                                  Loss loss) {
  return loss == Loss::nmse ? ops::nmse(reconstruction, input) : ops::mse(reconstruction, input);
}

StepLoss nested_loss(models::SparseAutoencoder& model, const models::Matryoshka& nested,
                     const torch::Tensor& input, const torch::Tensor& pre, const TrainOptions& options) {
  const auto latents = pre.relu();
  const auto positives = latents.detach().sign().sum(1);
  const auto effective = collapse(nested, positives.max().item<std::int64_t>(), model.latents());
  const auto level_count = static_cast<std::int64_t>(effective.levels.size());

  const auto level = ops::nested_levels(pre.detach(), effective.levels);
  const auto reconstructions =
      ops::nested_decode(latents, level, model.decoder, level_count) + model.pre_bias;
  const auto weights = torch::tensor(effective.weights, input.options());

  StepLoss result;
  result.loss = (reconstruction_loss(reconstructions, input, options.loss) * weights).sum();
  result.reconstruction = reconstructions[0].detach();
  result.active = positives.clamp_max(nested.levels[0]).sum();
  const auto kept = torch::where(level < level_count, latents.detach(), torch::zeros({}, latents.options()));
  result.fired = kept.amax(0) > 0;
  return result;
}

StepLoss single_loss(models::SparseAutoencoder& model, const torch::Tensor& input, const torch::Tensor& pre,
                     const TrainOptions& options) {
  StepLoss result;
  const auto detached = pre.detach();
  torch::Tensor mask;
  if (const auto* batch = std::get_if<models::BatchTopK>(&model.activation())) {
    mask = ops::batch_topk_mask(detached, batch->k).logical_and_(detached > 0);
    result.smallest_kept = torch::where(mask, detached, torch::full_like(detached, INFINITY)).min();
  } else {
    mask = model.selection(detached);
  }
  const auto latents = pre * mask;
  const auto reconstruction = torch::addmm(model.pre_bias, latents, model.decoder);
  result.loss = reconstruction_loss(reconstruction, input, options.loss);
  if (options.l1 > 0) result.loss = result.loss + options.l1 * ops::l1(latents, input);
  result.reconstruction = reconstruction.detach();
  result.active = mask.sum();
  result.fired = mask.any(0);
  return result;
}

}  // namespace

EffectiveLevels collapse(const models::Matryoshka& nested, std::int64_t most_positives,
                         std::int64_t latents) {
  const auto weights = models::level_weights(nested);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  EffectiveLevels effective;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const bool same_as_before = !effective.levels.empty() && effective.levels.back() == latents;
    if (same_as_before) {
      effective.weights.back() += weights[i] / total;
    } else {
      effective.levels.push_back(nested.levels[i] >= most_positives ? latents : nested.levels[i]);
      effective.weights.push_back(weights[i] / total);
    }
  }
  return effective;
}

StepLoss step_loss(models::SparseAutoencoder& model, const torch::Tensor& normalised,
                   const TrainOptions& options) {
  const auto pre = model.pre_activations(normalised);
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation());
  auto result = nested ? nested_loss(model, *nested, normalised, pre, options)
                       : single_loss(model, normalised, pre, options);
  if (options.weigh_short_batch && normalised.size(0) < options.batch_size) {
    result.loss =
        result.loss * (static_cast<double>(normalised.size(0)) / static_cast<double>(options.batch_size));
  }
  return result;
}

torch::Tensor training_loss(models::SparseAutoencoder& model, const torch::Tensor& batch,
                            const TrainOptions& options) {
  return step_loss(model, model.normalise(batch), options).loss;
}

}  // namespace msae::train
