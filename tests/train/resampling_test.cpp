#include "train/resampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "models/every_model.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

using models::SparseAutoencoder;
using models::SparseAutoencoderOptions;

// Four latents that never fire.
SparseAutoencoder with_dead(const SparseAutoencoderOptions& options) {
  auto model = random_model(options);
  const torch::NoGradGuard no_grad;
  model.latent_bias.slice(0, 0, 4).fill_(-1e6);
  return model;
}

TrainOptions resampling(std::int64_t every) {
  auto options = small();
  options.resample_every = every;
  options.dead_after = 2 * rows;
  options.unit_norm = UnitNorm::after_step;
  return options;
}

// Models in which four latents stay silent while latents of a signed ranking would not.
std::vector<SparseAutoencoderOptions> models_with_silent_latents() {
  std::vector<SparseAutoencoderOptions> all;
  for (const auto& options : test::every_model(dim, latents)) {
    if (options.ranking == models::Ranking::positive) all.push_back(options);
  }
  return all;
}

// The last batch has one row that is explained worse than all others by far.
torch::Tensor resampled_batch(std::uint64_t i, std::uint64_t last) {
  auto x = batch(i);
  if (i == last) x[5] *= 1000;
  return x;
}

TEST(Resampling, GivesDeadLatentsAFreshStartAtABadlyExplainedRow) {
  for (const auto& options : models_with_silent_latents()) {
    const auto name = test::name(options);
    auto model = with_dead(options), twin = with_dead(options);
    auto engine = make_autograd_engine(model, resampling(3)),
         plain = make_autograd_engine(twin, resampling(0));
    for (std::uint64_t i = 0; i < 3; ++i) {
      engine->step(resampled_batch(i, 2), 1e-3);
      plain->step(resampled_batch(i, 2), 1e-3);
    }
    const torch::NoGradGuard no_grad;
    const auto fresh = model.decoder.ne(twin.decoder).any(1);
    EXPECT_TRUE(fresh.slice(0, 0, 4).all().item<bool>()) << name;
    const auto living = fresh.logical_not();
    ASSERT_TRUE(living.any().item<bool>()) << name;

    const auto seen = model.standardise_rows(resampled_batch(2, 2).slice(0, 5, 6))[0] - model.pre_bias;
    const auto direction = (seen / seen.norm()).expand({fresh.sum().item<std::int64_t>(), dim});
    EXPECT_CLOSE(model.decoder.index({fresh}), direction, 1e-12) << name;
    if (!options.tied) {
      const auto norm = 0.2 * model.encoder.index({living}).norm(2, 1).mean();
      EXPECT_CLOSE(model.encoder.index({fresh}), direction * norm, 1e-12) << name;
    }
    EXPECT_EQ(model.latent_bias.index({fresh}).abs().max().item<double>(), 0) << name;
    if (const auto* jump = std::get_if<models::JumpRelu>(&options.activation)) {
      const auto start = torch::full({fresh.sum().item<std::int64_t>()}, jump->threshold, torch::kFloat64);
      EXPECT_CLOSE(model.log_threshold.index({fresh}).exp(), start, 1e-12) << name;
    }
    EXPECT_EQ(engine->take_metrics().dead, 0) << name;

    EXPECT_TRUE(torch::equal(model.pre_bias, twin.pre_bias)) << name;
    const auto state = engine->state(), other = plain->state();
    for (const auto& item : model.named_parameters()) {
      if (item.key() == "pre_bias") continue;
      const auto parameter = twin.named_parameters()[item.key()];
      EXPECT_TRUE(torch::equal(item.value().index({living}), parameter.index({living})))
          << name << item.key();
      for (const auto* order : {".first", ".second"}) {
        const auto key = "adam." + item.key() + order;
        EXPECT_EQ(state.at(key).index({fresh}).abs().max().item<double>(), 0) << name << key;
        EXPECT_TRUE(torch::equal(state.at(key).index({living}), other.at(key).index({living})))
            << name << key;
      }
    }
    EXPECT_TRUE(torch::equal(state.at("adam.pre_bias.first"), other.at("adam.pre_bias.first"))) << name;
  }
}

TEST(Resampling, LeavesPreBiasAloneWhereThereAreAsManyLatentsAsDimensions) {
  const SparseAutoencoderOptions square{.dim = dim, .latents = dim, .activation = models::Relu{}};
  auto model = with_dead(square);
  auto engine = make_autograd_engine(model, resampling(3));
  for (std::uint64_t i = 0; i < 3; ++i) engine->step(batch(i), 1e-3);
  EXPECT_GT(engine->state().at("adam.pre_bias.second").min().item<double>(), 0);
}

TEST(Resampling, HappensAtItsStepsAlone) {
  auto model = with_dead({.dim = dim, .latents = latents, .activation = models::Relu{}});
  auto engine = make_autograd_engine(model, resampling(4));
  for (std::uint64_t i = 1; i <= 9; ++i) {
    engine->step(batch(i), 1e-9);
    const torch::NoGradGuard no_grad;
    const bool fresh = model.latent_bias.slice(0, 0, 4).max().item<double>() > -1e5;
    EXPECT_EQ(fresh, i % 4 == 0) << "step " << i;
    model.latent_bias.slice(0, 0, 4).fill_(-1e6);
  }
}

TEST(Resampling, DependsOnTheSeedAlone) {
  const SparseAutoencoderOptions options{.dim = dim, .latents = latents, .activation = models::TopK{2}};
  const auto trained = [&](std::uint64_t seed) {
    auto model = with_dead(options);
    auto o = resampling(3);
    o.seed = seed;
    auto engine = make_autograd_engine(model, o);
    for (std::uint64_t i = 0; i < 6; ++i) engine->step(batch(i), 1e-2);
    return model.decoder.detach().clone();
  };
  EXPECT_TRUE(torch::equal(trained(1), trained(1)));
  EXPECT_FALSE(torch::equal(trained(1), trained(2)));
}

TEST(Resampling, GoesOnExactlyFromAState) {
  for (const auto& options : models_with_silent_latents()) {
    auto straight = with_dead(options), resumed = with_dead(options);
    auto o = resampling(3);
    o.auxk = 0.1;
    auto engine = make_autograd_engine(straight, o);
    for (std::uint64_t i = 0; i < 4; ++i) engine->step(batch(i), 1e-2);
    {
      const torch::NoGradGuard no_grad;
      for (const auto& item : straight.named_parameters())
        resumed.named_parameters()[item.key()].copy_(item.value());
      resumed.threshold.copy_(straight.threshold);
    }
    auto second = make_autograd_engine(resumed, o);
    second->restore(engine->state());
    for (std::uint64_t i = 4; i < 8; ++i) {
      engine->step(batch(i), 1e-2);
      second->step(batch(i), 1e-2);
    }
    expect_same_bits(straight, resumed, test::name(options));
  }
}

TEST(Resample, DrawsRowsByTheirSquaredLoss) {
  constexpr std::int64_t count = 4000;
  SparseAutoencoder model({.dim = 2, .latents = count, .activation = models::Relu{}});
  const auto rows_drawn = torch::eye(2);
  const auto residual = torch::tensor({{1.0f, 0.0f}, {0.0f, std::sqrt(2.0f)}});  // losses 1 and 2
  ASSERT_TRUE(resample(model, rows_drawn, residual, torch::ones({count}, torch::kBool), 7));
  EXPECT_NEAR(model.decoder.select(1, 1).mean().item<double>(), 4.0 / 5, 0.03);
}

TEST(Resample, DoesNothingWhereNothingIsDeadOrUnexplained) {
  const auto x = batch();
  auto model = model_of(models::TopK{2});
  const auto before = model.decoder.detach().clone();
  const auto none = dead_latents({}), some = dead_latents({0, 3});
  EXPECT_FALSE(resample(model, x, x, none, 1));
  EXPECT_FALSE(resample(model, x, torch::zeros_like(x), some, 1));
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), double{INFINITY}}) {
    EXPECT_FALSE(resample(model, x, torch::full_like(x, value), some, 1)) << "a run that diverged";
  }
  EXPECT_TRUE(torch::equal(model.decoder, before));
}

TEST(Resample, GivesUnitEncoderRowsWhereNoLatentLives) {
  auto model = model_of(models::TopK{2});
  ASSERT_TRUE(resample(model, batch(), batch(), torch::ones({latents}, torch::kBool), 1));
  EXPECT_CLOSE(model.encoder.norm(2, 1).detach(), torch::ones({latents}, torch::kFloat64), 1e-12);
}

TEST(Resample, SurvivesARowThatIsThePreBias) {
  auto model = model_of(models::TopK{2});
  const auto x = model.pre_bias.detach().unsqueeze(0);
  ASSERT_TRUE(resample(model, x, torch::ones_like(x), dead_latents({2}), 1));
  EXPECT_TRUE(model.decoder.isfinite().all().item<bool>());
  EXPECT_TRUE(model.encoder.isfinite().all().item<bool>());
}

}  // namespace
}  // namespace msae::train
