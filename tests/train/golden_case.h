// One case of the published numbers in one precision, as a model and options of ours.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "msae/ops/losses.h"
#include "msae/ops/nested_decode.h"
#include "msae/train/engine.h"
#include "support/golden.h"
#include "train/choice.h"

namespace msae::train {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// An activation by its published name ("TopKReLU_8", "BatchTopK", ...).
inline models::Activation activation_named(const std::string& name, const std::vector<std::int64_t>& ks,
                                           const std::vector<double>& weights = {}) {
  const bool batch = name.rfind("Batch", 0) == 0;
  if (!contains(name, "TopK")) return models::Relu{};
  if (ks.size() > 1) return models::Matryoshka{ks, weights, batch};
  if (batch) return models::BatchTopK{ks.at(0)};
  return models::TopK{ks.at(0)};
}

inline models::Ranking ranking_named(const std::string& name) {
  if (contains(name, "abs")) return models::Ranking::magnitude;
  return contains(name, "ReLU") ? models::Ranking::positive : models::Ranking::value;
}

/// Parameters in the published layout, without those that are not stored: the encoder is [dim, latents], and
/// the bias in the place of a model that has no mean of the data.
inline std::vector<std::pair<std::string, torch::Tensor>> published_parameters(
    const models::SparseAutoencoder& model) {
  std::vector<std::pair<std::string, torch::Tensor>> result{{"pre_bias", model.pre_bias + model.mean},
                                                            {"encoder", model.encoder.t()},
                                                            {"latent_bias", model.latent_bias}};
  if (!model.options().tied) result.emplace_back("decoder", model.decoder);
  if (model.log_threshold.defined()) result.emplace_back("log_threshold", model.log_threshold);
  return result;
}

inline std::vector<std::pair<std::string, torch::Tensor>> published_gradients(
    const models::SparseAutoencoder& model) {
  std::vector<std::pair<std::string, torch::Tensor>> result{{"pre_bias", model.pre_bias.grad()},
                                                            {"encoder", model.encoder.grad().t()},
                                                            {"latent_bias", model.latent_bias.grad()}};
  if (!model.options().tied) result.emplace_back("decoder", model.decoder.grad());
  return result;
}

/// Sets what a group has of a model's parameters; the rest stays.
inline void load(models::SparseAutoencoder& model, const test::Golden& file, const std::string& group) {
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(file.tensor(group + "/encoder").t());
  if (!model.options().tied) model.decoder.copy_(file.tensor(group + "/decoder"));
  model.latent_bias.copy_(file.tensor(group + "/latent_bias"));
  if (file.has(group + "/pre_bias")) model.pre_bias.copy_(file.tensor(group + "/pre_bias") - model.mean);
  if (file.has(group + "/log_threshold")) model.log_threshold.copy_(file.tensor(group + "/log_threshold"));
}

/// What a training step makes of a batch.
struct Forward {
  torch::Tensor pre, dense;       // [rows, latents]
  torch::Tensor latents;          // [levels, rows, latents]
  torch::Tensor reconstructions;  // [levels, rows, dim]
};

inline Forward forward(const models::SparseAutoencoder& model, const torch::Tensor& batch) {
  const auto input = model.normalise(batch);
  const auto pre = model.pre_activations(input);
  const auto dense = model.dense_latents(pre);
  const auto choice = choose(model, pre.detach());
  // Levels that keep all a batch has are one in a choice.
  const auto level = torch::arange(model.level_count()).clamp_max(choice.count() - 1);
  const auto kept = choice.level.unsqueeze(0) <= level.reshape({-1, 1, 1});
  const auto decoded = ops::nested_decode(dense, choice.level, model.decoder, choice.count());
  const auto restored = model.restore_rows(decoded.index_select(0, level) + model.pre_bias, input);
  return {pre, dense, dense * kept, model.denormalise(restored)};
}

inline double norm_of_gradients(const models::SparseAutoencoder& model) {
  double sum = 0;
  for (const auto& parameter : model.parameters()) sum += parameter.grad().square().sum().item<double>();
  return std::sqrt(sum);
}

class GoldenCase {
 public:
  GoldenCase(const test::Golden& file, const std::string& case_name, torch::ScalarType type)
      : numbers(file, "cases/" + case_name + (type == torch::kFloat64 ? "/f64" : "/f32")),
        name(case_name),
        activation(file.text("cases/" + case_name, "activation")),
        file_(file),
        group_("cases/" + case_name),
        inputs_("inputs/" + file.text(group_, "inputs")),
        type_(type),
        batches_(file.tensor(inputs_ + "/batches").to(type)) {}

  bool jump_relu() const { return activation == "JumpReLU"; }

  /// With "abs" the published code keeps the size alone of what it selects by size, and we its sign; without
  /// a batch always, with one in its dense latents.
  bool dense_is_ours() const { return !contains(activation, "abs"); }
  bool values_are_ours() const { return dense_is_ours() || activation.rfind("BatchTopKabs_", 0) == 0; }

  /// What the published code has where we have these latents.
  torch::Tensor published(const torch::Tensor& latents) const {
    if (values_are_ours()) return latents;
    return activation.rfind("Batch", 0) == 0 ? latents.relu() : latents.abs();
  }

  /// L1 over the norm of raw rows, where our engine has that of centred ones.
  bool l1_is_ours() const {
    return number("mean_input") == 0 || number("sparse_weight") == 0 ||
           file_.text(group_, "sparse_loss") != "l1";
  }

  torch::Tensor batch(std::int64_t step) const { return batches_[step]; }

  /// Of the first batch's rows, those in our mean: a row of zeros has no normalised error, which makes a mean
  /// infinite where it is published, and is left out where it is ours.
  double share_of_rows() const {
    if (loss() != Loss::nmse || number("mean_input") != 0) return 1;
    return batches_[0].any(1).to(torch::kFloat64).mean().item<double>();
  }

  torch::Tensor counts(const std::string& quantity) const { return file_.tensor(group_ + "/" + quantity); }

  double number(const std::string& attribute) const { return file_.number(group_, attribute); }

  models::SparseAutoencoder model() const {
    models::SparseAutoencoderOptions options{.dim = batches_.size(2),
                                             .latents = file_.tensor(inputs_ + "/latent_bias").size(0),
                                             .tied = number("tied") != 0,
                                             .normalise_rows = number("normalize") != 0,
                                             .soft_cap = number("latent_soft_cap"),
                                             .ranking = ranking_named(activation)};
    options.activation = kind();
    models::SparseAutoencoder model(options);
    model.to(type_);
    if (number("mean_input") != 0) model.set_statistics(file_.tensor(inputs_ + "/mean_input"), 1);
    load(model, file_, inputs_);
    return model;
  }

  /// Those after ten steps, where they are stored whole.
  void load_step10(models::SparseAutoencoder& model) const { load(model, file_, group_ + "/f64/step10"); }

  TrainOptions options() const {
    auto options = TrainOptions::published(kind());
    options.batch_size = batches_.size(1);
    options.l1 = matryoshka() ? 0 : number("sparse_weight");
    options.l1_by_norm = file_.text(group_, "sparse_loss") == "l1";
    options.loss = loss();
    options.weight_decay = number("weight_decay");
    options.clip = number("clip");
    if (number("tied") != 0) options.unit_norm = UnitNorm::never;
    return options;
  }

  /// The loss of reconstructions [rows, dim], or [levels, rows, dim].
  torch::Tensor reconstruction_loss(const models::SparseAutoencoder& model,
                                    const torch::Tensor& reconstruction, const torch::Tensor& input) const {
    if (loss() == Loss::mse) return ops::mse(reconstruction, input);
    if (loss() == Loss::cosine) return ops::cosine_loss(reconstruction, input);
    return ops::nmse(reconstruction, input, model.mean);
  }

  /// As published of the sparsest latents, or of all in a matryoshka.
  torch::Tensor sparsity(const torch::Tensor& latents, const torch::Tensor& input) const {
    return options().l1_by_norm ? ops::l1(latents, input) : ops::plain_l1(latents);
  }

  bool matryoshka() const { return std::holds_alternative<models::Matryoshka>(kind()); }

  /// 1e-10 in float64. In float32 1e-5, or four times what the published code itself is off there by.
  test::Tolerance tolerance(const std::string& quantity) const {
    if (type_ == torch::kFloat64) return {.relative = 1e-10};
    const auto errors = group_ + "/f32_minus_f64";
    const bool known = file_.has_attribute(errors, quantity);
    return {.relative = 1e-5, .absolute = known ? 4 * file_.number(errors, quantity) : 0};
  }

  void expect(const std::string& quantity, const torch::Tensor& ours) const {
    numbers.expect(quantity, ours, tolerance(quantity));
  }

  void expect_loss(const std::string& quantity, const torch::Tensor& ours) const {
    numbers.expect(quantity, ours, tolerance("losses"));
  }

  const test::Numbers numbers;
  const std::string name;
  const std::string activation;

 private:
  models::Activation kind() const {
    if (jump_relu()) return models::JumpRelu{number("threshold"), number("bandwidth")};
    const auto weights = group_ + "/relative_importance";
    return activation_named(activation, file_.integers(group_ + "/ks"),
                            file_.has(weights) ? file_.numbers(weights) : std::vector<double>());
  }

  Loss loss() const {
    const auto wanted = file_.text(group_, "recon_loss");
    return wanted == "mse" ? Loss::mse : wanted == "cosine" ? Loss::cosine : Loss::nmse;
  }

  const test::Golden& file_;
  std::string group_;
  std::string inputs_;
  torch::ScalarType type_;
  torch::Tensor batches_;
};

}  // namespace msae::train
