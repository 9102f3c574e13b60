// Small models and batches for tests of single steps, and what a step keeps, entry by entry.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "msae/train/engine.h"
#include "support/tensors.h"

namespace msae::train {

inline constexpr std::int64_t dim = 5, latents = 14, rows = 8;

/// float64, with nothing at its initial value and decoder rows of unit norm.
inline models::SparseAutoencoder random_model(const models::SparseAutoencoderOptions& options,
                                              double shift = 0) {
  models::SparseAutoencoder model(options);
  model.to(torch::kFloat64);
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(test::random(model.encoder.sizes(), 1));
  model.decoder.copy_(test::random(model.decoder.sizes(), 2));
  model.decoder.div_(model.decoder.norm(2, 1, true));
  model.latent_bias.copy_(test::random(model.latent_bias.sizes(), 3) * 0.1 + shift);
  model.pre_bias.copy_(test::random(model.pre_bias.sizes(), 4) * 0.1);
  if (model.log_threshold.defined()) model.log_threshold.add_(test::random({model.latents()}, 5) * 0.3);
  return model;
}

inline models::SparseAutoencoder model_of(models::Activation activation, double shift = 0) {
  return random_model({.dim = dim, .latents = latents, .activation = std::move(activation)}, shift);
}

inline torch::Tensor batch(std::uint64_t seed = 9) {
  return test::random({rows, dim}, seed);
}

inline TrainOptions small(double l1 = 0) {
  TrainOptions options{.batch_size = rows, .beta2 = 0.95, .weight_decay = 2};
  options.l1 = l1;
  return options;
}

/// Holds the gradients of `parameter` against central differences of loss() along random directions, and
/// leaves the parameter as it was.
template <typename Loss>
void expect_slopes(torch::Tensor parameter, const torch::Tensor& gradient, Loss loss,
                   const std::string& where) {
  const torch::NoGradGuard no_grad;
  const auto kept = parameter.detach().clone();
  constexpr double h = 1e-6;
  const auto loss_at = [&](const torch::Tensor& value) {
    parameter.copy_(value);
    return loss().template item<double>();
  };
  for (std::uint64_t seed = 100; seed < 104; ++seed) {
    const auto direction = test::random(kept.sizes(), seed);
    const double slope = (loss_at(kept + h * direction) - loss_at(kept - h * direction)) / (2 * h);
    EXPECT_NEAR((gradient * direction).sum().template item<double>(), slope, 2e-8 * (1 + std::abs(slope)))
        << where;
  }
  parameter.copy_(kept);
}

/// The `count` best scores of a flat tensor, ties to the lower index: bool.
inline torch::Tensor naive_best(const torch::Tensor& scores, std::int64_t count) {
  auto kept = torch::zeros(scores.sizes(), torch::kBool);
  const auto order = scores.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  for (std::int64_t i = 0; i < std::min(count, scores.size(0)); ++i) kept[order[i]] = true;
  return kept;
}

/// What training keeps of pre-activations at a level, of those that Ranking lets pass: [rows, latents] bool.
inline torch::Tensor naive_kept(const models::SparseAutoencoder& model, const torch::Tensor& pre,
                                std::int64_t level) {
  const auto& options = model.options();
  const auto scores = options.ranking == models::Ranking::magnitude ? pre.abs() : pre;
  const auto passing = options.ranking == models::Ranking::positive ? pre > 0 : pre != 0;
  const auto over_batch = [&](std::int64_t k) {
    return naive_best(scores.flatten(), k * pre.size(0)).reshape(pre.sizes());
  };
  const auto by_row = [&](std::int64_t k) {
    auto kept = torch::zeros(pre.sizes(), torch::kBool);
    for (std::int64_t b = 0; b < pre.size(0); ++b) kept[b] = naive_best(scores[b], k);
    return kept;
  };
  const auto i = static_cast<std::size_t>(level);
  auto kept = torch::ones(pre.sizes(), torch::kBool);
  if (const auto* topk = std::get_if<models::TopK>(&options.activation)) kept = by_row(topk->k);
  if (const auto* batch = std::get_if<models::BatchTopK>(&options.activation)) kept = over_batch(batch->k);
  if (const auto* nested = std::get_if<models::Matryoshka>(&options.activation)) {
    kept = nested->batch ? over_batch(nested->levels[i]) : by_row(nested->levels[i]);
  }
  if (const auto* nested = std::get_if<models::PrefixMatryoshka>(&options.activation)) {
    kept = over_batch(nested->k);
    kept.slice(1, nested->sizes[i]).fill_(false);
  }
  if (model.log_threshold.defined()) kept = pre > model.log_threshold.exp();
  return kept.logical_and(passing);
}

/// [count] bool, true at `which`.
inline torch::Tensor dead_latents(std::vector<std::int64_t> which, std::int64_t count = latents) {
  auto dead = torch::zeros({count}, torch::kBool);
  for (const auto j : which) dead[j] = true;
  return dead;
}

/// Of parameters and thresholds.
inline void expect_same_bits(const models::SparseAutoencoder& a, const models::SparseAutoencoder& b,
                             const std::string& where) {
  for (const auto& item : a.named_parameters()) {
    EXPECT_TRUE(torch::equal(item.value(), b.named_parameters()[item.key()])) << where << ": " << item.key();
  }
  EXPECT_TRUE(torch::equal(a.threshold, b.threshold)) << where;
}

}  // namespace msae::train
