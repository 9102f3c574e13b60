// The loss of a step, and its gradients, for every kind of model with every option.
#include <gtest/gtest.h>

#include "models/every_model.h"
#include "msae/ops/losses.h"
#include "train/one_step.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

using models::JumpRelu;
using models::SparseAutoencoder;
using models::SparseAutoencoderOptions;

struct Run {
  std::string name;
  SparseAutoencoderOptions model;
  TrainOptions options;
};

bool is_jump(const Run& run) {
  return std::holds_alternative<JumpRelu>(run.model.activation);
}

bool takes_l1(const Run& run) {
  return !std::holds_alternative<models::Matryoshka>(run.model.activation);
}

constexpr Loss all_losses[] = {Loss::nmse, Loss::mse, Loss::cosine};

// Every model once, the losses and sparsity terms in turn; then every kind with every loss and term.
std::vector<Run> every_run() {
  std::vector<Run> all;
  const auto add = [&](const SparseAutoencoderOptions& model, Loss loss, int term) {
    Run run{test::name(model) + ", loss " + std::to_string(static_cast<int>(loss)) + ", term " +
                std::to_string(term),
            model, small()};
    run.options.loss = loss;
    if (takes_l1(run) && term > 0) run.options.l1 = 0.1;
    run.options.l1_by_norm = term == 1;
    if (is_jump(run)) run.options.l0 = 0.05;
    all.push_back(run);
  };
  int turn = 0;
  for (const auto& model : test::every_model(dim, latents)) {
    add(model, all_losses[turn % 3], turn / 3 % 3);
    ++turn;
  }
  auto activations = test::every_activation(latents);
  for (const models::Activation& edge : std::initializer_list<models::Activation>{
           models::TopK{1}, models::TopK{latents}, models::BatchTopK{1}, models::BatchTopK{latents},
           models::Matryoshka{{2, 4}}, models::Matryoshka{{2, 4}, {}, true}, models::Matryoshka{{latents}},
           models::PrefixMatryoshka{.k = latents, .sizes = {latents}}}) {
    activations.push_back(edge);
  }
  for (const auto& activation : activations) {
    for (const auto loss : all_losses) {
      for (int term = 0; term < 3; ++term) {
        add({.dim = dim, .latents = latents, .activation = activation}, loss, term);
      }
    }
  }
  return all;
}

double row_loss(const torch::Tensor& y, const torch::Tensor& x, Loss loss) {
  const double error = (y - x).square().sum().item<double>(), norm = x.square().sum().item<double>();
  if (loss == Loss::nmse) return error / norm;
  if (loss == Loss::mse) return error / static_cast<double>(x.size(0));
  const double cosine = (y * x).sum().item<double>() / (y.norm() * x.norm()).item<double>();
  return (1 - cosine) * (1 - cosine);
}

// The weighted mean over all levels, each decoded on its own, nothing collapsed.
double naive_loss(SparseAutoencoder& model, const torch::Tensor& x, const TrainOptions& o) {
  const torch::NoGradGuard no_grad;
  const auto pre = model.pre_activations(x);
  const auto weights = models::level_weights(model.activation());
  const bool by_prefix = std::holds_alternative<models::PrefixMatryoshka>(model.activation());
  const auto count = static_cast<double>(x.size(0));
  double loss = 0, total = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto z = model.dense_latents(pre) * naive_kept(model, pre, static_cast<std::int64_t>(i));
    const auto y = model.decode(z, x);
    for (std::int64_t b = 0; b < x.size(0); ++b) loss += weights[i] * row_loss(y[b], x[b], o.loss) / count;
    total += weights[i];
  }
  loss /= total;
  const auto trained = by_prefix ? model.level_count() - 1 : 0;
  const auto kept = naive_kept(model, pre, trained);
  const auto z = model.dense_latents(pre) * kept;
  for (std::int64_t b = 0; b < x.size(0); ++b) {
    const double size = o.l1_by_norm ? x[b].norm().item<double>() : 1;
    loss += (o.l1 * z[b].abs().sum().item<double>() / size + o.l0 * kept[b].sum().item<double>()) / count;
  }
  return loss;
}

TEST(TrainingLoss, IsTheWeightedMeanOverLevelsAndTheSparsity) {
  for (const auto& run : every_run()) {
    for (const double shift : {-20.0, -1.0, 0.0}) {
      if (shift < 0 && run.options.loss == Loss::cosine) continue;  // where rows come out as pre_bias alone
      auto model = random_model(run.model, shift);
      EXPECT_NEAR(training_loss(model, batch(), run.options).item<double>(),
                  naive_loss(model, batch(), run.options), 1e-12)
          << run.name << ", shift " << shift;
    }
  }
}

TEST(TrainingLoss, HasTheGradientsOfFiniteDifferences) {
  for (const auto& run : every_run()) {
    auto model = random_model(run.model);
    training_loss(model, batch(), run.options).backward();
    for (const auto& item : model.named_parameters()) {
      if (item.key() == "log_threshold") continue;  // of a step there are no differences
      expect_slopes(
          item.value(), item.value().grad(), [&] { return training_loss(model, batch(), run.options); },
          run.name + ": " + item.key());
    }
  }
}

// Levels that keep every positive latent are joined; some rows have fewer of them than others.
TEST(TrainingLoss, HasTheGradientsOfFiniteDifferencesWhereLevelsAreJoined) {
  for (const double shift : {-2.5, -1.5}) {
    auto model = model_of(models::Matryoshka{{1, 3, 6, 9, 14}, {5, 4, 3, 2, 1}}, shift);
    training_loss(model, batch(), small()).backward();
    const auto encoder = model.encoder.detach().clone();
    const auto loss_at = [&](const torch::Tensor& value) {
      const torch::NoGradGuard no_grad;
      model.encoder.copy_(value);
      return training_loss(model, batch(), small());
    };
    EXPECT_CLOSE(model.encoder.grad(), test::numerical_gradient(loss_at, encoder), 1e-6) << shift;
  }
}

// dL/d latents of the loss without the choice, times what the estimator makes of it.
torch::Tensor naive_threshold_gradient(SparseAutoencoder& model, const TrainOptions& o) {
  const auto& jump = std::get<JumpRelu>(model.activation());
  const auto x = batch();
  const auto pre = model.pre_activations(x).detach();
  const auto theta = model.log_threshold.detach().exp();
  auto z = model.cap(pre * (pre > theta)).detach().requires_grad_();
  const auto y = model.restore_rows(z.mm(model.decoder.detach()) + model.pre_bias.detach(), x);
  auto loss = ops::nmse(y, x);
  if (o.l1 > 0) loss = loss + o.l1 * ops::l1(z, x);
  loss.backward();
  auto gradient = torch::zeros({latents}, torch::kFloat64);
  for (std::int64_t j = 0; j < latents; ++j) {
    const double t = theta[j].item<double>();
    double sum = 0;
    for (std::int64_t b = 0; b < rows; ++b) {
      const double p = pre[b][j].item<double>();
      if (std::abs(p - t) >= jump.bandwidth / 2) continue;
      const double c = model.options().soft_cap, kept = p > t ? p : 0;
      const double cap_slope = c > 0 ? 1 - std::pow(std::tanh(kept / c), 2) : 1;
      sum -= z.grad()[b][j].item<double>() * cap_slope * t / jump.bandwidth;
      sum -= o.l0 / static_cast<double>(rows) / jump.bandwidth;
    }
    gradient[j] = sum * t;  // of the logarithm
  }
  return gradient;
}

TEST(JumpReluLoss, MovesThresholdsByTheStraightThroughEstimator) {
  for (const auto& options : test::every_model(dim, latents)) {
    if (!std::holds_alternative<JumpRelu>(options.activation)) continue;
    for (const auto& [l0, l1] : {std::pair{0.0, 0.0}, {0.05, 0.0}, {0.05, 0.1}}) {
      auto model = random_model(options);
      auto o = small(l1);
      o.l0 = l0;
      training_loss(model, batch(), o).backward();
      EXPECT_CLOSE(model.log_threshold.grad(), naive_threshold_gradient(model, o), 1e-10)
          << test::name(options) << ", l0 " << l0 << ", l1 " << l1;
    }
  }
}

TEST(JumpReluLoss, HearsFromLatentsOnEitherSideOfTheThreshold) {
  for (const double distance : {-0.1, 0.1}) {
    auto model = random_model({.dim = dim, .latents = 1, .activation = JumpRelu{.bandwidth = 0.3}});
    {
      const torch::NoGradGuard no_grad;
      model.encoder.zero_();
      model.latent_bias.fill_(1 + distance);
      model.log_threshold.zero_();
    }
    training_loss(model, batch(), small()).backward();
    EXPECT_GT(model.log_threshold.grad().abs().item<double>(), 1e-6) << distance;
  }
}

}  // namespace
}  // namespace msae::train
