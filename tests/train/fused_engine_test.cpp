// The fused engine does what the autograd engine does.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "models/every_model.h"
#include "support/error_of.h"
#include "train/fused_cases.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

using comparison::cases;
using comparison::error_of;
using comparison::gradients;
using comparison::with;
using comparison::without_near_ties;
using models::Activation;
using models::Matryoshka;
using models::SparseAutoencoder;
using models::SparseAutoencoderOptions;
using Case = comparison::FusedCase;

void expect_same_gradients(const Case& c, const torch::Tensor& batch, torch::ScalarType type,
                           double tolerance) {
  const auto plain = gradients(c.make(type), c.options, batch, make_autograd_engine);
  const auto fused = gradients(c.make(type), c.options, batch, make_fused_engine);
  ASSERT_EQ(fused.size(), 4U);
  for (const auto& [name, value] : plain) {
    EXPECT_LE(error_of(fused.at(name), value), tolerance) << c.name << ": " << name;
  }
}

TEST(FusedEngine, HasTheGradientsOfAutograd) {
  for (const auto& c : cases()) expect_same_gradients(c, c.batch(9, torch::kFloat64), torch::kFloat64, 1e-12);
}

TEST(FusedEngine, HasTheGradientsOfAutogradInSinglePrecision) {
  std::size_t compared = 0;
  for (const auto& c : cases()) {
    const auto batch = without_near_ties(c, c.batch(9, torch::kFloat64));
    if (batch.size(0) == 0) continue;
    ++compared;
    expect_same_gradients(c, batch.to(torch::kFloat32), torch::kFloat32, 1e-5);
  }
  EXPECT_GT(compared, cases().size() * 9 / 10);
}

TEST(FusedEngine, TrainsToTheParametersOfAutograd) {
  for (const auto& c : cases()) {
    if (c.model.latents > 1000 && c.shift != 0) continue;  // which take long
    auto plain = c.make(torch::kFloat64), fused = c.make(torch::kFloat64);
    auto options = c.options;
    options.engine = EngineKind::autograd;
    auto a = make_engine(plain, options);
    options.engine = EngineKind::fused;
    auto b = make_engine(fused, options);
    for (std::uint64_t i = 0; i < 10; ++i) {
      a->step(c.batch(i, torch::kFloat64), 1e-3);
      b->step(c.batch(i, torch::kFloat64), 1e-3);
    }
    for (const auto& item : plain.named_parameters()) {
      EXPECT_LE(error_of(fused.named_parameters()[item.key()], item.value()), 1e-12)
          << c.name << ": " << item.key();
    }
    EXPECT_LE((fused.threshold - plain.threshold).abs().max().item<double>(), 1e-12) << c.name;
    const auto expected = a->take_metrics(), metrics = b->take_metrics();
    EXPECT_NEAR(metrics.loss, expected.loss, 1e-12 * (1 + expected.loss)) << c.name;
    EXPECT_NEAR(metrics.fvu, expected.fvu, 1e-12 * (1 + expected.fvu)) << c.name;
    EXPECT_EQ(metrics.active, expected.active) << c.name;
    EXPECT_EQ(metrics.dead, expected.dead) << c.name;
  }
}

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  ~ThreadCount() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST(FusedEngine, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Activation& activation :
       {Activation(Matryoshka{{8, 32, 200}}), Activation(Matryoshka{{8, 32, 200}, {}, true}),
        Activation(models::Relu{})}) {
    const Case c{"", {.dim = 70, .latents = 200, .activation = activation}, with(1100), 1100};
    const auto trained = [&](int threads) {
      const ThreadCount count(threads);
      auto model = c.make(torch::kFloat32);
      auto options = c.options;
      options.engine = EngineKind::fused;
      auto engine = make_engine(model, options);
      for (std::uint64_t i = 0; i < 20; ++i) engine->step(c.batch(i, torch::kFloat32), 1e-3);
      return model;
    };
    const auto first = trained(1);
    for (const int threads : {1, 2, 3}) {
      expect_same_bits(first, trained(threads), models::kind(activation) + std::to_string(threads));
    }
  }
}

TEST(FusedEngine, GoesOnFromTheStateOfEitherEngine) {
  const Case c{"", {.dim = 5, .latents = 14, .activation = Matryoshka{{2, 14}}}, with(8)};
  for (const auto before : {EngineKind::autograd, EngineKind::fused}) {
    auto straight = c.make(torch::kFloat64), resumed = c.make(torch::kFloat64);
    auto options = c.options;
    options.engine = before;
    auto engine = make_engine(straight, options);
    for (std::uint64_t i = 0; i < 3; ++i) engine->step(c.batch(i, torch::kFloat64), 1e-2);
    {
      const torch::NoGradGuard no_grad;
      for (const auto& item : straight.named_parameters()) {
        resumed.named_parameters()[item.key()].copy_(item.value());
      }
    }
    options.engine = EngineKind::fused;
    auto second = make_engine(resumed, options);
    second->restore(engine->state());
    for (std::uint64_t i = 3; i < 6; ++i) {
      engine->step(c.batch(i, torch::kFloat64), 1e-2);
      second->step(c.batch(i, torch::kFloat64), 1e-2);
    }
    for (const auto& item : straight.named_parameters()) {
      EXPECT_CLOSE(resumed.named_parameters()[item.key()].detach(), item.value().detach(), 1e-12);
    }
    EXPECT_NEAR(engine->take_metrics().loss, second->take_metrics().loss, 1e-12);
  }
}

TEST(FusedEngine, TakesNoMemoryAfterItsFirstStep) {
  const Case c{"", {.dim = 20, .latents = 100, .activation = Matryoshka{{8, 100}}}, with(300), 300};
  auto model = c.make(torch::kFloat32);
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 0);
  const auto before = engine->memory();
  engine->step(c.batch(1, torch::kFloat32), 0);
  const auto after = engine->memory();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(before[i].bytes, after[i].bytes) << before[i].name;
}

TEST(FusedEngine, TellsItsStages) {
  const Case c{"", {.dim = 20, .latents = 100, .activation = Matryoshka{{8, 100}}}, with(300), 300};
  auto model = c.make(torch::kFloat32);
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 0);
  EXPECT_EQ(engine->stages().front().name, "prepare");
  EXPECT_EQ(engine->stages().back().name, "optimiser");
  for (const auto& stage : engine->stages()) EXPECT_GE(stage.milliseconds, 0) << stage.name;
  EXPECT_EQ(engine->shape().rows, 300);
  EXPECT_EQ(engine->shape().levels, 2);
}

TEST(FusedEngine, SaysWhatItDoesNotTake) {
  using testing::HasSubstr;
  const auto refusal = [](const SparseAutoencoderOptions& options, const TrainOptions& o) {
    SparseAutoencoder model(options);
    return test::error_of<std::invalid_argument>([&] { make_fused_engine(model, o); });
  };
  SparseAutoencoderOptions model{.dim = 5, .latents = 14, .activation = models::Relu{}};
  EXPECT_EQ(refusal(model, small()), "no error");
  for (const auto& options : test::every_model(5, 14)) {
    const auto kind = models::kind(options.activation);
    const bool plain =
        !options.tied && !options.normalise_rows && options.ranking == models::Ranking::positive;
    const bool fits = plain && kind != "jump-relu" && kind != "prefix-matryoshka";
    EXPECT_THAT(refusal(options, small()), HasSubstr(fits ? "no error" : "the fused one does not train"))
        << test::name(options);
    SparseAutoencoder taken(options);
    EXPECT_NO_THROW(make_engine(taken, small())) << "autograd takes what it does not";
  }
  auto cosine = small(), resampling = small();
  cosine.loss = Loss::cosine;
  resampling.resample_every = 10;
  EXPECT_THAT(refusal(model, cosine), HasSubstr("cosine loss"));
  EXPECT_THAT(refusal(model, resampling), HasSubstr("resample"));
}

TEST(FusedEngine, ShowsNumbersThatAreNone) {
  const Case c{"", {.dim = 5, .latents = 14, .activation = Matryoshka{{2, 14}}}, with(8)};
  auto model = c.make(torch::kFloat32);
  {
    const torch::NoGradGuard no_grad;
    model.encoder[3][2] = NAN;
  }
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 1e-3);
  EXPECT_FALSE(std::isfinite(engine->take_metrics().loss));
}

}  // namespace
}  // namespace msae::train
