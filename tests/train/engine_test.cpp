#include "msae/train/engine.h"

#include <gtest/gtest.h>

#include "support/tensors.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

using models::Activation;
using models::Matryoshka;

constexpr std::int64_t dim = 5, latents = 14, rows = 8;

models::SparseAutoencoder make_model(Activation activation, double shift = 0) {
  models::SparseAutoencoder model({.dim = dim, .latents = latents, .activation = std::move(activation)});
  model.to(torch::kFloat64);
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(test::random(model.encoder.sizes(), 1));
  model.decoder.copy_(test::random(model.decoder.sizes(), 2));
  model.decoder.div_(model.decoder.norm(2, 1, true));
  model.latent_bias.copy_(test::random({latents}, 3) * 0.1 + shift);
  model.pre_bias.copy_(test::random({dim}, 4) * 0.1);
  return model;
}

TrainOptions small(double l1 = 0) {
  TrainOptions options;
  options.batch_size = rows;
  options.l1 = l1;
  return options;
}

torch::Tensor batch(std::uint64_t seed = 9) {
  return test::random({rows, dim}, seed);
}

struct Case {
  const char* name;
  Activation activation;
  Loss loss = Loss::nmse;
  double l1 = 0;
  double shift = 0;
};

class TrainingLoss : public testing::TestWithParam<Case> {};

TEST_P(TrainingLoss, HasTheGradientsOfFiniteDifferences) {
  const auto& c = GetParam();
  auto model = make_model(c.activation, c.shift);
  auto options = small(c.l1);
  options.loss = c.loss;
  training_loss(model, batch(), options).backward();
  for (auto& parameter : model.parameters()) {
    const auto kept = parameter.detach().clone();
    const auto loss_at = [&](const torch::Tensor& value) {
      const torch::NoGradGuard no_grad;
      parameter.copy_(value);
      return training_loss(model, batch(), options);
    };
    const auto numerical = test::numerical_gradient(loss_at, kept);
    loss_at(kept);
    EXPECT_CLOSE(parameter.grad(), numerical, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, TrainingLoss,
    testing::Values(Case{"relu", models::Relu{}}, Case{"relu_l1", models::Relu{}, Loss::nmse, 0.1},
                    Case{"topk", models::TopK{3}}, Case{"topk_one", models::TopK{1}},
                    Case{"topk_all", models::TopK{latents}}, Case{"topk_mse", models::TopK{3}, Loss::mse},
                    Case{"batch_topk", models::BatchTopK{3}}, Case{"matryoshka", Matryoshka{{1, 3, 14}}},
                    Case{"matryoshka_weights", Matryoshka{{1, 3, 14}, {3, 0, 1}}},
                    Case{"matryoshka_narrow", Matryoshka{{2, 4}}},
                    Case{"matryoshka_mse", Matryoshka{{1, 3, 14}}, Loss::mse},
                    Case{"matryoshka_few_positives", Matryoshka{{1, 3, 6, 9, 14}}, Loss::nmse, 0, -2.5}),
    [](const auto& test) { return test.param.name; });

// The weighted mean over all levels, each decoded on its own, nothing collapsed.
double naive_nested_loss(models::SparseAutoencoder& model, const Matryoshka& nested) {
  const torch::NoGradGuard no_grad;
  const auto x = batch();
  double loss = 0, total = 0;
  for (std::size_t i = 0; i < nested.levels.size(); ++i) {
    const double weight = nested.weights.empty() ? 1 : nested.weights[i];
    const auto y = model.decode(model.encode(x, models::OperatingPoint::top(nested.levels[i])));
    loss += weight * ((y - x).square().sum(1) / x.square().sum(1)).mean().item<double>();
    total += weight;
  }
  return loss / total;
}

TEST(NestedLoss, IsTheWeightedMeanOverLevelsHoweverFewArePositive) {
  for (const double shift : {-20.0, -3.0, -1.0, 0.0, 20.0}) {
    for (const auto& nested :
         {Matryoshka{{1, 3, 6, 9, 14}, {5, 4, 3, 2, 1}}, Matryoshka{{2, 5}}, Matryoshka{{14}}}) {
      auto model = make_model(nested, shift);
      EXPECT_NEAR(training_loss(model, batch(), small()).item<double>(), naive_nested_loss(model, nested),
                  1e-12)
          << shift;
    }
  }
}

TEST(Collapse, JoinsLevelsThatKeepEveryPositiveLatent) {
  const auto effective = collapse({{1, 3, 6, 9, 14}, {1, 1, 1, 1, 4}}, 5, 14);
  EXPECT_EQ(effective.levels, (std::vector<std::int64_t>{1, 3, 14}));
  EXPECT_DOUBLE_EQ(effective.weights[2], 6.0 / 8);
  EXPECT_EQ(collapse({{1, 3}}, 5, 14).levels, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(collapse({{1, 3}}, 0, 14).levels, (std::vector<std::int64_t>{14}));
}

TEST(AutogradEngine, KeepsDecoderRowsAtUnitNorm) {
  for (const Activation& activation :
       {Activation(models::Relu{}), Activation(models::TopK{3}), Activation(Matryoshka{{2, 14}})}) {
    auto model = make_model(activation);
    auto engine = make_autograd_engine(model, small());
    for (std::uint64_t i = 0; i < 5; ++i) engine->step(batch(i), 0.1);
    EXPECT_CLOSE(model.decoder.norm(2, 1).detach(), torch::ones({latents}, torch::kFloat64), 1e-12);
  }
}

TEST(AutogradEngine, StepsAsTheFormulaSays) {
  auto model = make_model(Matryoshka{{2, 14}});
  auto twin = make_model(Matryoshka{{2, 14}});
  auto options = small();
  options.clip = 0.01;
  make_autograd_engine(model, options)->step(batch(), 1e-2);

  training_loss(twin, batch(), options).backward();
  const torch::NoGradGuard no_grad;
  auto gradient = twin.decoder.grad();
  gradient -= (gradient * twin.decoder).sum(1, true) * twin.decoder;
  double squares = 0;
  for (const auto& p : twin.parameters()) squares += p.grad().square().sum().item<double>();
  const double clip = std::min(1.0, 0.01 / (std::sqrt(squares) + 1e-6));
  for (auto& p : twin.parameters()) {
    const auto g = p.grad() * clip;  // the first AdamW step moves each entry by lr * g / (|g| + eps)
    p.sub_(1e-2 * g / (g.abs() + options.epsilon));
  }
  twin.decoder.div_(twin.decoder.norm(2, 1, true));
  EXPECT_CLOSE(model.encoder.detach(), twin.encoder.detach(), 1e-10);
  EXPECT_CLOSE(model.decoder.detach(), twin.decoder.detach(), 1e-10);
  EXPECT_CLOSE(model.latent_bias.detach(), twin.latent_bias.detach(), 1e-10);
  EXPECT_CLOSE(model.pre_bias.detach(), twin.pre_bias.detach(), 1e-10);
}

TEST(AutogradEngine, WeighsAShortBatchByItsRowsUnlessTold) {
  auto model = make_model(models::TopK{3});
  auto options = small();
  options.batch_size = 2 * rows;
  const auto short_batch = training_loss(model, batch(), options).item<double>();
  options.weigh_short_batch = false;
  EXPECT_NEAR(short_batch, training_loss(model, batch(), options).item<double>() / 2, 1e-14);
}

TEST(AutogradEngine, ReportsMeansSinceTheyWereLastTaken) {
  auto model = make_model(models::TopK{3});
  auto engine = make_autograd_engine(model, small());
  double loss = 0;
  for (std::uint64_t i = 0; i < 3; ++i) {
    loss += training_loss(model, batch(i), small()).item<double>() / 3;
    engine->step(batch(i), 1e-2);
  }
  const auto metrics = engine->take_metrics();
  EXPECT_NEAR(metrics.loss, loss, 1e-12);
  EXPECT_GT(metrics.fvu, 0);
  EXPECT_LE(metrics.active, 3);
  EXPECT_EQ(engine->take_metrics().loss, 0) << "nothing since";
}

TEST(AutogradEngine, RefusesAnL1LossThatWouldHaveNoEffect) {
  auto model = make_model(Matryoshka{{2, 14}});
  EXPECT_THROW(make_autograd_engine(model, small(0.01)), std::invalid_argument);
}

TEST(AutogradEngine, CountsLatentsThatStaySilent) {
  auto model = make_model(models::Relu{});
  {
    const torch::NoGradGuard no_grad;
    model.latent_bias.slice(0, 0, 4).fill_(-1e6);
  }
  auto options = small();
  options.dead_after = 2 * rows;
  auto engine = make_autograd_engine(model, options);
  for (std::uint64_t i = 0; i < 2; ++i) engine->step(batch(i), 1e-9);
  EXPECT_EQ(engine->take_metrics().dead, 0) << "not silent for long enough";
  engine->step(batch(2), 1e-9);
  EXPECT_GE(engine->take_metrics().dead, 4);
}

TEST(AutogradEngine, LearnsTheThresholdOfBatchTopK) {
  auto model = make_model(models::BatchTopK{3});
  auto engine = make_autograd_engine(model, small());
  double sum = 0;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto pre = model.pre_activations(batch(i)).detach();
    sum += std::get<0>(pre.flatten().topk(3 * rows)).min().item<double>();
    engine->step(batch(i), 1e-3);
  }
  EXPECT_NEAR(model.threshold.item<double>(), sum / 4, 1e-12);
}

TEST(AutogradEngine, GoesOnExactlyFromItsState) {
  for (const Activation& activation :
       {Activation(models::BatchTopK{3}), Activation(Matryoshka{{2, 5, 14}})}) {
    auto straight = make_model(activation), resumed = make_model(activation);
    auto engine = make_autograd_engine(straight, small());
    for (std::uint64_t i = 0; i < 3; ++i) engine->step(batch(i), 1e-2);
    {
      const torch::NoGradGuard no_grad;
      for (const auto& item : straight.named_parameters())
        resumed.named_parameters()[item.key()].copy_(item.value());
      for (const auto& item : straight.named_buffers())
        resumed.named_buffers()[item.key()].copy_(item.value());
    }
    auto second = make_autograd_engine(resumed, small());
    second->restore(engine->state());
    for (std::uint64_t i = 3; i < 6; ++i) {
      engine->step(batch(i), 1e-2);
      second->step(batch(i), 1e-2);
    }
    for (const auto& item : straight.named_parameters()) {
      EXPECT_TRUE(torch::equal(item.value(), resumed.named_parameters()[item.key()])) << item.key();
    }
    EXPECT_TRUE(torch::equal(straight.threshold, resumed.threshold));
    EXPECT_EQ(engine->take_metrics().loss, second->take_metrics().loss);
  }
}

TEST(AutogradEngine, SurvivesZeroRowsAndBatchesOfOneRow) {
  for (const Activation& activation : {Activation(models::Relu{}), Activation(models::TopK{3}),
                                       Activation(models::BatchTopK{3}), Activation(Matryoshka{{2, 14}})}) {
    auto model = make_model(activation);
    auto engine =
        make_autograd_engine(model, small(std::holds_alternative<Matryoshka>(activation) ? 0 : 0.01));
    auto x = batch();
    x[0].zero_();
    engine->step(x, 1e-2);
    engine->step(x.slice(0, 0, 1), 1e-2);
    engine->step(x.slice(0, 1, 2), 1e-2);
    EXPECT_TRUE(std::isfinite(engine->take_metrics().loss));
    for (const auto& p : model.parameters()) EXPECT_TRUE(p.isfinite().all().item<bool>());
  }
}

}  // namespace
}  // namespace msae::train
