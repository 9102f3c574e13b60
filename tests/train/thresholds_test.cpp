// The thresholds that models over batches learn for inference.
#include <gtest/gtest.h>

#include "models/every_model.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

// Weights of a polynomial-decay mean in closed form: that of step t is proportional to t (t+1) ... (t+7).
torch::Tensor decay_weights(std::int64_t steps) {
  auto weights = torch::ones({steps, 1}, torch::kFloat64);
  for (std::int64_t t = 1; t <= steps; ++t) {
    for (std::int64_t i = 0; i < 8; ++i) weights[t - 1] *= static_cast<double>(t + i);
  }
  return weights / weights.sum();
}

// [thresholds]: the smallest score of a latent that a step would keep.
torch::Tensor smallest_kept(models::SparseAutoencoder& model, const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const auto pre = model.pre_activations(x);
  const bool prefix = std::holds_alternative<models::PrefixMatryoshka>(model.activation());
  auto smallest = torch::zeros_like(model.threshold);
  for (std::int64_t i = 0; i < smallest.size(0); ++i) {
    const auto kept = naive_kept(model, pre, prefix ? model.level_count() - 1 : i);
    smallest[i] = model.scores(pre).masked_select(kept).min();
  }
  return smallest;
}

TEST(Thresholds, AreTheMeanOfTheBatchesOwnInWhichLateOnesCountMore) {
  constexpr std::int64_t steps = 7;
  for (const auto& options : test::every_model(dim, latents)) {
    if (!models::chooses_over_batch(options.activation)) continue;
    auto model = random_model(options);
    auto engine = make_autograd_engine(model, small());
    std::vector<torch::Tensor> seen;
    for (std::int64_t i = 0; i < steps; ++i) {
      const auto x = batch(static_cast<std::uint64_t>(i));
      seen.push_back(smallest_kept(model, x));
      engine->step(x, 1e-3);
    }
    EXPECT_CLOSE(model.threshold, (torch::stack(seen) * decay_weights(steps)).sum(0), 1e-12)
        << test::name(options);
  }
}

TEST(Thresholds, AreThoseOfTheOnlyBatchAfterOneStep) {
  auto model = model_of(models::BatchTopK{3});
  const auto expected = smallest_kept(model, batch());
  make_autograd_engine(model, small())->step(batch(), 1e-3);
  EXPECT_CLOSE(model.threshold, expected, 1e-15);
}

TEST(Thresholds, StayWhereABatchHasNoLatent) {
  for (const auto& activation : test::every_activation(latents)) {
    auto model = model_of(activation, -1e6);
    model.threshold.fill_(0.5);
    auto engine = make_autograd_engine(model, small());
    for (std::uint64_t i = 0; i < 3; ++i) engine->step(batch(i), 1e-3);
    EXPECT_TRUE(torch::equal(model.threshold, torch::full_like(model.threshold, 0.5)));
  }
}

TEST(Thresholds, OfTheSparserLevelAreNotLower) {
  auto model = model_of(models::Matryoshka{{1, 3, latents}, {}, /*batch=*/true});
  auto engine = make_autograd_engine(model, small());
  for (std::uint64_t i = 0; i < 9; ++i) engine->step(batch(i), 1e-2);
  EXPECT_GT(model.threshold[0].item<double>(), model.threshold[1].item<double>());
  EXPECT_GT(model.threshold[1].item<double>(), model.threshold[2].item<double>());
  EXPECT_GT(model.threshold[2].item<double>(), 0);
}

// As a step keeps rows * k entries, so do the thresholds it leaves, on the batches it saw.
TEST(Thresholds, KeepAboutAsManyLatentsAsTraining) {
  auto model = model_of(models::BatchTopK{3});
  auto engine = make_autograd_engine(model, small());
  const auto x = test::random({2000, dim}, 3);
  for (int i = 0; i < 20; ++i) engine->step(x, 1e-5);
  const torch::NoGradGuard no_grad;
  EXPECT_NEAR(model.selection(model.pre_activations(x)).sum().item<double>() / 2000, 3, 0.01);
}

}  // namespace
}  // namespace msae::train
