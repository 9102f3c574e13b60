// The loss by which latents that no row activates learn to explain what is left over.
#include <gtest/gtest.h>

#include "models/every_model.h"
#include "train/one_step.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

using models::SparseAutoencoder;

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

}  // namespace
}  // namespace msae::train
