#include "train/step_options.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "train/step_loss.h"

namespace msae::train {
namespace {

struct Levels {
  std::vector<std::int64_t> keep;
  std::vector<double> weights;
  bool over_batch = false;
};

Levels levels_of(const models::SparseAutoencoder& model) {
  const auto& activation = model.activation();
  if (const auto* topk = std::get_if<models::TopK>(&activation)) return {{topk->k}, {1}};
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) return {{batch->k}, {1}, true};
  const auto* nested = std::get_if<models::Matryoshka>(&activation);
  if (!nested) return {{model.latents()}, {1}};
  auto weights = models::level_weights(activation);
  const auto sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (auto& weight : weights) weight /= sum;
  return {nested->levels, std::move(weights), nested->batch};
}

}  // namespace

kernels::StepOptions step_options(const models::SparseAutoencoder& model, const TrainOptions& options) {
  auto levels = levels_of(model);
  return {.levels = std::move(levels.keep),
          .weights = std::move(levels.weights),
          .over_batch = levels.over_batch,
          .squared = options.loss == Loss::mse,
          .soft_cap = model.options().soft_cap,
          .l1 = options.l1,
          .l1_by_norm = options.l1_by_norm,
          .auxk = options.auxk,
          .auxk_latents = std::min(auxk_latents(options, model.dim()), model.latents()),
          .dense = {.decode = options.fused.dense_decode,
                    .decoder_gradient = options.fused.dense_decoder_gradient,
                    .encoder_gradient = options.fused.dense_encoder_gradient,
                    .level = options.fused.dense_level}};
}

kernels::Rows rows_before(const TrainOptions& options) {
  if (options.unit_norm == UnitNorm::never) return kernels::Rows::as_they_are;
  return options.unit_norm == UnitNorm::before_step ? kernels::Rows::rescale : kernels::Rows::project;
}

AdamPace adam_pace(const TrainOptions& options, double learning_rate, std::int64_t step) {
  const auto power = static_cast<double>(step);
  return {.decay = 1 - learning_rate * *options.weight_decay,
          .rate = learning_rate / (1 - std::pow(options.beta1, power)),
          .correction = 1 / std::sqrt(1 - std::pow(*options.beta2, power))};
}

}  // namespace msae::train
