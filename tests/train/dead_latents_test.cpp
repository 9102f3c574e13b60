// What becomes of latents that no row activates: the loss AuxK, and fresh starts.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "models/every_model.h"
#include "train/one_step.h"
#include "train/resampling.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

using models::SparseAutoencoder;
using models::SparseAutoencoderOptions;

torch::Tensor dead_latents(std::vector<std::int64_t> which, std::int64_t count = latents) {
  auto dead = torch::zeros({count}, torch::kBool);
  for (const auto j : which) dead[j] = true;
  return dead;
}

TrainOptions with_auxk(std::int64_t k = 2) {
  auto options = small();
  options.auxk = 0.25;
  options.auxk_latents = k;
  return options;
}

// The loss by its definition, of a residual that does not change with the model.
torch::Tensor naive_auxk(const SparseAutoencoder& model, const torch::Tensor& x,
                         const torch::Tensor& residual, const torch::Tensor& dead, std::int64_t k) {
  const auto pre = model.pre_activations(x);
  const auto dense = model.dense_latents(pre);
  const auto indices = dead.nonzero().flatten();
  auto loss = torch::zeros({}, torch::kFloat64);
  for (std::int64_t b = 0; b < x.size(0); ++b) {
    const auto mine = dense[b].index_select(0, indices);
    const auto scores = model.scores(mine.detach());
    const auto z = mine * naive_best(scores, k);
    const auto scale = model.options().normalise_rows ? x[b].std() : torch::ones({}, torch::kFloat64);
    const auto explained = z.matmul(model.decoder.index_select(0, indices)) * scale;
    loss = loss + (explained - residual[b]).square().sum() / residual[b].square().sum();
  }
  return loss / static_cast<double>(x.size(0));
}

TEST(AuxK, IsTheShareOfTheResidualThatDeadLatentsLeaveUnexplained) {
  const auto dead = dead_latents({1, 4, 5, 9, 13});
  for (const auto& options : test::some_models(dim, latents)) {
    for (const std::int64_t k : {1, 2, 5, 99}) {
      auto model = random_model(options);
      const auto x = batch();
      const auto plain = step_loss(model, x, small(), dead);
      const auto with = step_loss(model, x, with_auxk(k), dead);
      const auto aux = naive_auxk(model, x, plain.residual, dead, k).item<double>();
      EXPECT_NEAR(with.loss.item<double>() - plain.loss.item<double>(), 0.25 * aux, 1e-12)
          << test::name(options) << ", k " << k;
      EXPECT_TRUE(torch::equal(with.fired, plain.fired)) << "only activity as trained revives a latent";
    }
  }
}

TEST(AuxK, HasTheGradientsOfFiniteDifferencesBesideThoseOfThePlainLoss) {
  const auto dead = dead_latents({1, 4, 5, 9, 13});
  const auto x = batch();
  for (const auto& options : test::some_models(dim, latents)) {
    auto model = random_model(options), plain = random_model(options);
    step_loss(model, x, with_auxk(), dead).loss.backward();
    const auto result = step_loss(plain, x, small());
    result.loss.backward();
    for (const auto& item : model.named_parameters()) {
      expect_slopes(
          item.value(), item.value().grad() - plain.named_parameters()[item.key()].grad(),
          [&] { return naive_auxk(model, x, result.residual, dead, 2) * 0.25; },
          test::name(options) + ": " + item.key());
    }
  }
}

TEST(AuxK, MovesDeadLatentsAlone) {
  const auto dead = dead_latents({1, 4, 5, 9, 13}), living = dead.logical_not();
  for (const auto& activation : test::every_activation(latents)) {
    auto model = model_of(activation), plain = model_of(activation);
    step_loss(model, batch(), with_auxk(5), dead).loss.backward();
    step_loss(plain, batch(), small()).loss.backward();
    for (const auto* name : {"encoder", "decoder", "latent_bias"}) {
      const auto change = model.named_parameters()[name].grad() - plain.named_parameters()[name].grad();
      EXPECT_LE(change.index({living}).abs().max().item<double>(), 1e-15) << name;
      EXPECT_GT(change.index({dead}).abs().max().item<double>(), 1e-4) << name;
    }
  }
}

TEST(AuxK, UsesHalfTheDimensionAsAPowerOfTwoUnlessTold) {
  const std::pair<std::int64_t, std::int64_t> defaults[] = {{1, 1}, {2, 1},  {3, 2},  {4, 2}, {5, 2},
                                                            {6, 4}, {10, 4}, {12, 8}, {16, 8}};
  for (const auto& [width, k] : defaults) {
    auto model = random_model({.dim = width, .latents = 20, .activation = models::TopK{1}}, 3);
    const auto x = test::random({rows, width}, 2);
    const auto dead = torch::ones({20}, torch::kBool);
    const auto loss = [&](std::int64_t asked) {
      return step_loss(model, x, with_auxk(asked), dead).loss.item<double>();
    };
    EXPECT_EQ(loss(0), loss(k)) << width;
    EXPECT_NE(loss(0), loss(k + 1)) << width;
    if (k > 1) {
      EXPECT_NE(loss(0), loss(k - 1)) << width;
    }
  }
}

void expect_same_bits(const SparseAutoencoder& a, const SparseAutoencoder& b, const std::string& where) {
  for (const auto& item : a.named_parameters()) {
    EXPECT_TRUE(torch::equal(item.value(), b.named_parameters()[item.key()])) << where << ": " << item.key();
  }
  EXPECT_TRUE(torch::equal(a.threshold, b.threshold)) << where;
}

TEST(AuxK, ChangesNoBitWhereNoLatentIsDead) {
  for (const auto& activation : test::every_activation(latents)) {
    auto with = model_of(activation), without = model_of(activation);
    auto options = with_auxk();
    options.dead_after = 1000;
    auto a = make_autograd_engine(with, options), b = make_autograd_engine(without, small());
    for (std::uint64_t i = 0; i < 4; ++i) {
      a->step(batch(i), 1e-2);
      b->step(batch(i), 1e-2);
    }
    expect_same_bits(with, without, models::kind(activation));
  }
}

TEST(AuxK, IsGivenTheLatentsThatWereSilentForLongEnough) {
  auto model = model_of(models::TopK{1});
  auto options = with_auxk();
  options.dead_after = rows;  // silent for more than one batch
  auto engine = make_autograd_engine(model, options);
  auto last = torch::zeros({latents}, torch::kInt64);
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto x = batch(static_cast<std::uint64_t>(i));
    const auto dead = i * rows - last > rows;
    const auto expected = step_loss(model, x, options, dead);
    last.masked_fill_(naive_kept(model, model.pre_activations(x), 0).any(0), (i + 1) * rows);
    engine->step(x, 1e-2);
    EXPECT_NEAR(engine->take_metrics().loss, expected.loss.item<double>(), 1e-14) << "step " << i;
    EXPECT_EQ(dead.any().item<bool>(), i >= 2);
  }
}

TEST(AuxK, SurvivesAPerfectReconstruction) {
  auto model = model_of(models::TopK{1});
  const auto x = model.pre_bias.detach().expand({rows, dim}).clone();
  {
    const torch::NoGradGuard no_grad;
    model.latent_bias.fill_(-1);
  }
  const auto result = step_loss(model, x, with_auxk(), dead_latents({0, 1, 2}));
  EXPECT_EQ(result.residual.abs().max().item<double>(), 0);
  EXPECT_EQ(result.loss.item<double>(), 0);
}

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
