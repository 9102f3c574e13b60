// On what engines of our own kernels are compared with the autograd engine.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "train/one_step.h"

namespace msae::train::comparison {

/// A model, options and batches on which engines are compared.
struct FusedCase {
  std::string name;
  models::SparseAutoencoderOptions model;
  TrainOptions options;
  std::int64_t rows = 8;
  double shift = 0;        ///< of the latent biases: how many pre-activations are positive
  double grid = 0;         ///< pre-activations are multiples of it, so that many are equal; 0: no such thing
  bool zero_rows = false;  ///< some rows are the mean

  models::SparseAutoencoder make(torch::ScalarType type) const {
    models::SparseAutoencoder sae(model);
    sae.to(type);
    const torch::NoGradGuard no_grad;
    const auto fill = [&](torch::Tensor& t, std::uint64_t seed, double scale) {
      auto values = test::random(t.sizes(), seed) * scale;
      if (grid > 0) values = (values / grid).round() * grid;
      t.copy_(values);
    };
    fill(sae.encoder, 1, 1);
    fill(sae.decoder, 2, 1);
    sae.decoder.div_(sae.decoder.norm(2, 1, true).clamp_min(1e-3));
    fill(sae.latent_bias, 3, 0.1);
    sae.latent_bias.add_(shift);
    fill(sae.pre_bias, 4, 0.1);
    sae.threshold.fill_(0.5);
    return sae;
  }

  torch::Tensor batch(std::uint64_t seed, torch::ScalarType type) const {
    auto x = test::random({rows, model.dim}, seed);
    if (grid > 0) x = (x / grid).round() * grid;
    if (zero_rows) x.slice(0, 0, (rows + 1) / 2).zero_();
    return x.to(type);
  }
};

// Of a tensor as a whole: |a - b| / |b|.
inline double error_of(const torch::Tensor& a, const torch::Tensor& b) {
  const double difference = (a - b).detach().norm().item<double>(), size = b.detach().norm().item<double>();
  return size > 0 ? difference / size : difference;
}

inline TrainOptions with(std::int64_t rows) {
  auto options = small();
  options.batch_size = rows;
  return options;
}

inline std::vector<models::Activation> fused_activations(std::int64_t latents) {
  std::vector<models::Activation> all{
      models::Relu{},        models::TopK{1},      models::TopK{std::min<std::int64_t>(3, latents)},
      models::TopK{latents}, models::BatchTopK{1}, models::BatchTopK{latents}};
  if (latents >= 14) {
    all.push_back(models::Matryoshka{{1, 3, latents}, {3, 1, 2}});
    all.push_back(models::Matryoshka{{2, 4}});
    all.push_back(models::Matryoshka{{1, 2, 3, 5, 8, 13}, {0, 1, 2, 3, 4, 5}});
    all.push_back(models::Matryoshka{{1, 3, latents}, {3, 1, 2}, /*batch=*/true});
    all.push_back(models::Matryoshka{{latents}});
  }
  return all;
}

// Every activation on awkward shapes, then every option on some.
inline std::vector<FusedCase> cases() {
  std::vector<FusedCase> all;
  struct Shape {
    std::int64_t rows, dim, latents;
  };
  int turn = 0;
  for (const auto shape :
       {Shape{8, 5, 14}, Shape{1, 1, 1}, Shape{130, 65, 35}, Shape{257, 3, 19}, Shape{5, 130, 1541}}) {
    for (const auto& activation : fused_activations(shape.latents)) {
      for (const double shift : {-100.0, -1.0, 0.0, 100.0}) {
        FusedCase c{"",
                    {.dim = shape.dim, .latents = shape.latents, .activation = activation},
                    with(shape.rows),
                    shape.rows,
                    shift};
        c.options.loss = turn % 2 == 0 ? Loss::nmse : Loss::mse;
        // Of the size of pre-activations: far beyond it a latent's slope is nothing but rounding.
        const auto cap = 2 * std::sqrt(static_cast<double>(shape.dim));
        c.model.soft_cap = turn % 3 == 0 && shift <= 0 ? cap : 0;
        c.grid = turn % 5 == 0 ? 0.5 : 0;
        c.zero_rows = turn % 7 == 0;
        c.name = models::kind(activation) + " " + std::to_string(turn++) + ", " + std::to_string(shape.rows) +
                 " x " + std::to_string(shape.dim) + " x " + std::to_string(shape.latents) + ", shift " +
                 std::to_string(shift);
        all.push_back(c);
      }
    }
  }
  for (const auto& activation : fused_activations(33)) {
    for (int option = 0; option < 14; ++option) {
      FusedCase c{"", {.dim = 9, .latents = 33, .activation = activation}, with(20), 20, -0.5};
      auto& o = c.options;
      if (option == 0) o.unit_norm = UnitNorm::before_step;
      if (option == 1) o.unit_norm = UnitNorm::never;
      if (option == 2) o.clip = 0;
      if (option == 3) o.clip = 1e-3;
      if (option == 4) o.weight_decay = 0.1;
      if (option == 5) o.batch_size = 40;
      if (option == 6) o.batch_size = 40, o.weigh_short_batch = false;
      if (option == 7) o.auxk = 0.5, o.auxk_latents = 4, o.dead_after = 21, c.shift = -3;
      const bool nested = std::holds_alternative<models::Matryoshka>(activation);
      const bool l1 = option == 8 || option == 9;
      if (l1 && nested) continue;
      o.l1 = l1 ? 0.1 : 0;
      o.l1_by_norm = option != 9;
      if (option == 10 || option == 11) o.fused.dense_decode = 0;
      if (option == 10 || option == 12) o.fused.dense_decoder_gradient = 0;
      if (option == 10 || option == 13) o.fused.dense_encoder_gradient = 0;
      c.zero_rows = option % 2 == 1;
      c.name = models::kind(activation) + ", option " + std::to_string(option);
      all.push_back(c);
    }
  }
  return all;
}

// Whether two pre-activations on either side of some level's end differ by so little that rounding decides.
inline bool is_near_tie(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto sorted = std::get<0>(pre.sort(/*dim=*/0, /*descending=*/true));
  for (const auto k : levels) {
    if (k >= sorted.size(0)) continue;
    const double gap = (sorted[k - 1] - sorted[k]).item<double>();
    if (gap > 0 && gap < 1e-5 * pre.abs().max().item<double>()) return true;  // equal ones are equal in both
  }
  return false;
}

inline std::vector<std::int64_t> kept(const models::Activation& activation, std::int64_t rows) {
  if (const auto* topk = std::get_if<models::TopK>(&activation)) return {topk->k};
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) return {batch->k * rows};
  const auto* nested = std::get_if<models::Matryoshka>(&activation);
  if (!nested) return {};
  auto levels = nested->levels;
  for (auto& k : levels) k *= nested->batch ? rows : 1;
  return levels;
}

inline torch::Tensor without_near_ties(const FusedCase& c, const torch::Tensor& batch) {
  auto model = c.make(torch::kFloat64);
  const auto pre = model.pre_activations(batch).detach();
  if (models::chooses_over_batch(c.model.activation)) {
    return is_near_tie(pre.flatten(), kept(c.model.activation, batch.size(0))) ? batch.slice(0, 0, 0) : batch;
  }
  std::vector<torch::Tensor> rows;
  for (std::int64_t b = 0; b < batch.size(0); ++b) {
    if (!is_near_tie(pre[b], kept(c.model.activation, 1))) rows.push_back(batch[b]);
  }
  return rows.empty() ? batch.slice(0, 0, 0) : torch::stack(rows);
}

/// The first moment after the first step tells the gradient, here as it is before the optimiser.
inline TensorMap gradients(models::SparseAutoencoder model, TrainOptions options, const torch::Tensor& batch,
                           std::unique_ptr<Engine> (*maker)(models::SparseAutoencoder&,
                                                            const TrainOptions&)) {
  options.unit_norm = UnitNorm::never;
  options.clip = 0;
  options.beta1 = 0.5;
  auto engine = maker(model, options);
  engine->step(batch, 1e-3);
  TensorMap all;
  for (const auto& [name, value] : engine->state()) {
    if (name.ends_with(".first")) all[name] = value.clone() / 0.5;
  }
  return all;
}

}  // namespace msae::train::comparison
