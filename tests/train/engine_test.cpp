#include "msae/train/engine.h"

#include <gmock/gmock.h>

#include "models/every_model.h"
#include "support/error_of.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

using models::Activation;
using models::Matryoshka;

TEST(AutogradEngine, KeepsDecoderRowsAtUnitNormAfterItsStepUnlessTold) {
  const auto ones = torch::ones({latents}, torch::kFloat64);
  for (const auto& options : test::some_models(dim, latents)) {
    for (const auto unit_norm : {UnitNorm::after_step, UnitNorm::before_step, UnitNorm::never}) {
      if (options.tied && unit_norm == UnitNorm::before_step) continue;  // refused
      auto model = random_model(options);
      auto o = small();
      o.unit_norm = unit_norm;
      auto engine = make_autograd_engine(model, o);
      for (std::uint64_t i = 0; i < 5; ++i) engine->step(batch(i), 0.1);
      const auto error = test::relative_error(model.decoder.norm(2, 1).detach(), ones);
      EXPECT_EQ(error < 1e-12, unit_norm == UnitNorm::after_step) << test::name(options) << ": " << error;
    }
  }
}

// A rate of zero leaves of a step what it does to the rows.
TEST(AutogradEngine, RescalesTheEncoderWithTheDecoderInThePublishedOrder) {
  for (const Activation& activation : {Activation(models::Relu{}), Activation(models::JumpRelu{0.3, 0.5})}) {
    auto model = model_of(activation), twin = model_of(activation);
    for (auto* m : {&model, &twin}) {
      const torch::NoGradGuard no_grad;
      m->decoder.mul_(torch::linspace(0.5, 2, latents, torch::kFloat64).unsqueeze(1));
    }
    auto o = small();
    o.unit_norm = UnitNorm::before_step;
    make_autograd_engine(model, o)->step(batch(), 0);
    const torch::NoGradGuard no_grad;
    EXPECT_CLOSE(model.decoder.norm(2, 1), torch::ones({latents}, torch::kFloat64), 1e-12);
    EXPECT_CLOSE(model.forward(batch()), twin.forward(batch()), 1e-12) << "computes the same";
    EXPECT_GT(test::relative_error(model.encoder, twin.encoder), 0.1);
  }
}

// The first AdamW step moves each entry by lr * g / (|g| + eps), whatever the gradient's size, after all but
// thresholds have decayed.
TEST(AutogradEngine, LeavesRowsAndTheirGradientsAloneWhereTold) {
  for (const auto& options : test::some_models(dim, latents)) {
    auto model = random_model(options), twin = random_model(options);
    auto o = small();
    o.unit_norm = UnitNorm::never;
    o.clip = 0;
    make_autograd_engine(model, o)->step(batch(), 1e-2);
    training_loss(twin, batch(), o).backward();
    const torch::NoGradGuard no_grad;
    for (const auto& item : twin.named_parameters()) {
      const auto g = item.value().grad();
      const double kept = item.key() == "log_threshold" ? 1 : 1 - 1e-2 * *o.weight_decay;
      EXPECT_CLOSE(model.named_parameters()[item.key()],
                   kept * item.value() - 1e-2 * g / (g.abs() + o.epsilon), 1e-9)
          << test::name(options) << ": " << item.key();
    }
  }
}

TEST(AutogradEngine, StepsAsTheFormulaSays) {
  auto model = model_of(Matryoshka{{2, 14}});
  auto twin = model_of(Matryoshka{{2, 14}});
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
    p.mul_(1 - 1e-2 * *options.weight_decay).sub_(1e-2 * g / (g.abs() + options.epsilon));
  }
  twin.decoder.div_(twin.decoder.norm(2, 1, true));
  EXPECT_CLOSE(model.encoder.detach(), twin.encoder.detach(), 1e-10);
  EXPECT_CLOSE(model.decoder.detach(), twin.decoder.detach(), 1e-10);
  EXPECT_CLOSE(model.latent_bias.detach(), twin.latent_bias.detach(), 1e-10);
  EXPECT_CLOSE(model.pre_bias.detach(), twin.pre_bias.detach(), 1e-10);
}

TEST(AutogradEngine, WeighsAShortBatchByItsRowsUnlessTold) {
  auto model = model_of(models::TopK{3});
  auto options = small();
  options.batch_size = 2 * rows;
  const auto short_batch = training_loss(model, batch(), options).item<double>();
  options.weigh_short_batch = false;
  EXPECT_NEAR(short_batch, training_loss(model, batch(), options).item<double>() / 2, 1e-14);
}

TEST(AutogradEngine, ReportsMeansSinceTheyWereLastTaken) {
  auto model = model_of(models::TopK{3});
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

TEST(AutogradEngine, RefusesOptionsThatAModelHasNoUseFor) {
  using testing::HasSubstr;
  const auto refusal = [](const models::SparseAutoencoderOptions& options, const TrainOptions& o) {
    auto model = random_model(options);
    return test::error_of<std::invalid_argument>([&] { make_autograd_engine(model, o); });
  };
  TrainOptions l1 = small(0.01), l0 = small(), published = small();
  l0.l0 = 0.1;
  published.unit_norm = UnitNorm::before_step;
  for (const auto& options : test::every_model(dim, latents)) {
    const bool nested = std::holds_alternative<Matryoshka>(options.activation);
    const bool jump = std::holds_alternative<models::JumpRelu>(options.activation);
    EXPECT_THAT(refusal(options, l1), HasSubstr(nested ? "l1: a matryoshka model" : "no error"));
    EXPECT_THAT(refusal(options, l0), HasSubstr(jump ? "no error" : "l0: is for jump-relu, not for "));
    EXPECT_THAT(refusal(options, published), HasSubstr(options.tied ? "unit_norm: " : "no error"));
  }
}

TEST(AutogradEngine, CountsLatentsThatStaySilent) {
  auto model = model_of(models::Relu{});
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

TEST(AutogradEngine, GoesOnExactlyFromItsState) {
  for (const auto& options : test::some_models(dim, latents)) {
    auto straight = random_model(options), resumed = random_model(options);
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
  for (const auto& options : test::some_models(dim, latents)) {
    auto model = random_model(options);
    auto o = small(std::holds_alternative<Matryoshka>(options.activation) ? 0 : 0.01);
    o.auxk = 0.1;
    o.resample_every = 2;
    auto engine = make_autograd_engine(model, o);
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
