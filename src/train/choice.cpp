#include "train/choice.h"

#include <numeric>

#include "msae/ops/selection.h"

namespace msae::train {
namespace {

using models::SparseAutoencoder;

std::vector<double> shares(std::vector<double> weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (auto& weight : weights) weight /= total;
  return weights;
}

// The smallest score among those kept.
torch::Tensor smallest(const torch::Tensor& scores, const torch::Tensor& kept) {
  return torch::where(kept, scores, torch::full({}, INFINITY, scores.options())).min();
}

// Levels of k latents a row.
Choice choose_by_row(const SparseAutoencoder& model, const torch::Tensor& pre,
                     const std::vector<std::int64_t>& levels, const std::vector<double>& weights) {
  // One level has none to be joined with.
  const auto most =
      levels.size() > 1 ? model.passing(pre).sum(1).max().item<std::int64_t>() : model.latents();
  auto effective = collapse(levels, weights, most, model.latents());
  return {.level = ops::nested_levels(model.scores(pre), effective.levels),
          .weights = std::move(effective.weights),
          .smallest_kept = {}};
}

// Every level is kept apart, as each has a threshold to learn.
Choice choose_by_batch(const SparseAutoencoder& model, const torch::Tensor& pre,
                       const std::vector<std::int64_t>& levels, const std::vector<double>& weights) {
  const auto scores = model.scores(pre);
  Choice choice{
      .level = ops::batch_nested_levels(scores, levels), .weights = shares(weights), .smallest_kept = {}};
  const auto passing = model.passing(pre);
  std::vector<torch::Tensor> thresholds;
  thresholds.reserve(levels.size());
  for (std::int64_t i = 0; i < choice.count(); ++i) {
    thresholds.push_back(smallest(scores, passing.logical_and(choice.level <= i)));
  }
  choice.smallest_kept = torch::stack(thresholds);
  return choice;
}

// One choice over the batch; the level of what is kept is the first prefix that holds the latent.
Choice choose_by_prefix(const SparseAutoencoder& model, const torch::Tensor& pre,
                        const models::PrefixMatryoshka& nested) {
  auto choice = choose_by_batch(model, pre, {nested.k}, {1});
  choice.weights = shares(models::level_weights(nested));
  auto prefix = torch::zeros({model.latents()}, choice.level.options());
  for (const auto size : nested.sizes) prefix.slice(0, size) += 1;
  choice.level = torch::where(choice.level == 0, prefix, torch::full_like(prefix, choice.count()));
  choice.trained = choice.count() - 1;
  return choice;
}

struct Chooser {
  const SparseAutoencoder& model;
  const torch::Tensor& pre;

  Choice operator()(const models::Relu&) const { return choose_by_row(model, pre, {model.latents()}, {1}); }
  Choice operator()(const models::TopK& topk) const { return choose_by_row(model, pre, {topk.k}, {1}); }
  Choice operator()(const models::BatchTopK& batch) const {
    return choose_by_batch(model, pre, {batch.k}, {1});
  }
  Choice operator()(const models::Matryoshka& nested) const {
    const auto weights = models::level_weights(nested);
    return nested.batch ? choose_by_batch(model, pre, nested.levels, weights)
                        : choose_by_row(model, pre, nested.levels, weights);
  }
  // Its latents are zero below the threshold, and even those have a say in where it moves.
  Choice operator()(const models::JumpRelu&) const {
    return {.level = torch::zeros(pre.sizes(), pre.options().dtype(torch::kUInt8)),
            .weights = {1},
            .smallest_kept = {}};
  }
  Choice operator()(const models::PrefixMatryoshka& nested) const {
    return choose_by_prefix(model, pre, nested);
  }
};

}  // namespace

Choice choose(const SparseAutoencoder& model, const torch::Tensor& pre) {
  const torch::NoGradGuard no_grad;
  return std::visit(Chooser{model, pre}, model.activation());
}

EffectiveLevels collapse(const std::vector<std::int64_t>& levels, const std::vector<double>& weights,
                         std::int64_t most, std::int64_t latents) {
  const auto parts = shares(weights);
  EffectiveLevels effective;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool same_as_before = !effective.levels.empty() && effective.levels.back() == latents;
    if (same_as_before) {
      effective.weights.back() += parts[i];
    } else {
      effective.levels.push_back(levels[i] >= most ? latents : levels[i]);
      effective.weights.push_back(parts[i]);
    }
  }
  return effective;
}

}  // namespace msae::train
