// The CUDA engine does what the autograd engine does on the same device.
#include <gmock/gmock.h>

#include "msae/core/error.h"
#include "msae/train/cuda.h"
#include "support/error_of.h"
#include "train/fused_cases.h"
#include "train/small_run.h"
#include "train/test_device.h"

namespace msae::train {
namespace {

using comparison::cases;
using comparison::error_of;
using comparison::FusedCase;
using comparison::gradients;
using comparison::with;
using comparison::without_near_ties;
using models::Matryoshka;
using models::SparseAutoencoder;

SparseAutoencoder make(const FusedCase& c) {
  auto model = c.make(torch::kFloat32);
  model.to(test_device());
  return model;
}

torch::Tensor batch_of(const FusedCase& c, std::uint64_t seed) {
  return c.batch(seed, torch::kFloat32).to(test_device());
}

// Cases take turns at what is a list and what a matrix.
TrainOptions options_of(const FusedCase& c, std::size_t turn) {
  auto options = c.options;
  const double from[] = {0, 0.2, 2};
  options.fused.dense_level = from[turn % 3];
  return options;
}

TEST(CudaEngine, HasTheGradientsOfAutograd) {
  std::size_t turn = 0, compared = 0;
  const auto all = cases();
  for (const auto& c : all) {
    const auto batch = without_near_ties(c, c.batch(9, torch::kFloat64));
    if (batch.size(0) == 0) continue;
    ++compared;
    const auto options = options_of(c, turn++);
    const auto input = batch.to(torch::kFloat32).to(test_device());
    const auto plain = gradients(make(c), options, input, make_autograd_engine);
    const auto found = gradients(make(c), options, input, make_cuda_engine);
    ASSERT_EQ(found.size(), 4U);
    for (const auto& [name, value] : plain) {
      EXPECT_LE(error_of(found.at(name), value), 1e-5) << c.name << ": " << name;
    }
  }
  EXPECT_GT(compared, all.size() * 9 / 10);
}

// Steps of Adam do not depend on rounding where epsilon is not small beside gradients.
TEST(CudaEngine, TrainsToTheParametersOfAutograd) {
  std::size_t turn = 0, compared = 0;
  const auto all = cases();
  for (const auto& c : all) {
    if (c.model.latents > 1000 || ++turn % 3 != 0) continue;
    auto options = options_of(c, turn / 3);
    options.epsilon = 1e-2;
    auto plain = make(c), found = make(c);
    auto a = make_autograd_engine(plain, options);
    auto b = make_cuda_engine(found, options);
    bool near_ties = false;
    for (std::uint64_t i = 0; i < 5; ++i) {
      near_ties |= without_near_ties(c, c.batch(i, torch::kFloat64)).size(0) < c.rows;
      a->step(batch_of(c, i), 1e-3);
      b->step(batch_of(c, i), 1e-3);
    }
    if (near_ties) continue;  // which rounding decides
    ++compared;
    for (const auto& item : plain.named_parameters()) {
      EXPECT_LE(error_of(found.named_parameters()[item.key()], item.value()), 1e-5)
          << c.name << ": " << item.key();
    }
    const auto expected = a->take_metrics(), metrics = b->take_metrics();
    EXPECT_NEAR(metrics.loss, expected.loss, 1e-5 * (1 + expected.loss)) << c.name;
    EXPECT_NEAR(metrics.fvu, expected.fvu, 1e-5 * (1 + expected.fvu)) << c.name;
    EXPECT_NEAR(metrics.active, expected.active, 1e-3 * (1 + expected.active)) << c.name;
    EXPECT_EQ(metrics.dead, expected.dead) << c.name;
    EXPECT_LE((found.threshold - plain.threshold).abs().max().item<double>(), 1e-4) << c.name;
  }
  EXPECT_GT(compared, all.size() / 6);
}

FusedCase nested(std::int64_t rows = 40) {
  return {"", {.dim = 12, .latents = 50, .activation = Matryoshka{{2, 8, 30, 50}}}, with(rows), rows};
}

// Levels turn from matrices into lists and back as their latents become fewer and more.
TEST(CudaEngine, GivesTheSameBitsThroughAStopAndAResume) {
  for (const auto precision : {Precision::full, Precision::bfloat16}) {
    const auto c = nested();
    auto options = c.options;
    options.fused.precision = precision;
    options.fused.dense_level = 0.12;
    const auto steps = [&](Engine& engine, std::uint64_t first, std::uint64_t last) {
      for (auto i = first; i < last; ++i) engine.step(batch_of(c, i % 3) * (i % 4 == 0 ? 0.1 : 3.0), 1e-2);
    };
    auto straight = make(c), resumed = make(c), again = make(c);
    auto engine = make_cuda_engine(straight, options);
    steps(*engine, 0, 9);
    steps(*make_cuda_engine(again, options), 0, 9);
    expect_same_bits(straight, again, "again");
    for (const std::uint64_t stop : {1, 2, 5}) {
      auto model = make(c);
      auto before = make_cuda_engine(model, options);
      steps(*before, 0, stop);
      auto later = make(c);
      {
        const torch::NoGradGuard no_grad;
        for (const auto& item : model.named_parameters()) {
          later.named_parameters()[item.key()].copy_(item.value());
        }
      }
      auto after = make_cuda_engine(later, options);
      after->restore(before->state());
      steps(*after, stop, 9);
      expect_same_bits(straight, later, "stopped at " + std::to_string(stop));
    }
  }
}

TEST(CudaEngine, TakesBatchesOfAnySize) {
  const auto c = nested();
  auto plain = make(c), found = make(c);
  auto options = c.options;
  options.epsilon = 1e-2;
  auto a = make_autograd_engine(plain, options);
  auto b = make_cuda_engine(found, options);
  for (const std::int64_t rows : {40, 40, 7, 40, 7, 1, 40, 64, 40}) {
    const auto batch =
        test::random({rows, 12}, static_cast<std::uint64_t>(rows)).to(torch::kFloat32).to(test_device());
    a->step(batch, 1e-3);
    b->step(batch, 1e-3);
  }
  for (const auto& item : plain.named_parameters()) {
    EXPECT_LE(error_of(found.named_parameters()[item.key()], item.value()), 1e-4) << item.key();
  }
  EXPECT_ANY_THROW(b->step(torch::zeros({3, 11}, test_device()), 0));
  EXPECT_ANY_THROW(b->step(torch::zeros({0, 12}, test_device()), 0));
}

TEST(CudaEngine, SeesWhatOthersDoToParameters) {
  const auto c = nested();
  auto options = c.options;
  options.fused.precision = Precision::bfloat16;
  auto changed = make(c), fresh = make(c);
  auto engine = make_cuda_engine(changed, options);
  engine->step(batch_of(c, 1), 1e-2);
  {
    const torch::NoGradGuard no_grad;
    for (auto* model : {&changed, &fresh}) {
      for (auto& item : model->named_parameters()) item.value().copy_(torch::full_like(item.value(), 0.25));
    }
  }
  auto other = make_cuda_engine(fresh, options);
  engine->take_metrics();
  engine->step(batch_of(c, 2), 0);
  other->step(batch_of(c, 2), 0);
  EXPECT_EQ(engine->take_metrics().loss, other->take_metrics().loss);
}

TEST(CudaEngine, LosesLittleInHalfThePrecision) {
  const auto c = nested(200);
  double losses[3];
  for (const auto precision : {Precision::full, Precision::tf32, Precision::bfloat16}) {
    auto options = c.options;
    options.fused.precision = precision;
    auto model = make(c);
    auto engine = make_cuda_engine(model, options);
    for (std::uint64_t i = 0; i < 30; ++i) engine->step(batch_of(c, i % 4), 1e-2);
    losses[static_cast<std::size_t>(precision)] = engine->take_metrics().loss;
  }
  const auto full = losses[static_cast<std::size_t>(Precision::full)];
  EXPECT_NEAR(losses[static_cast<std::size_t>(Precision::tf32)], full, 0.01 * full);
  EXPECT_NEAR(losses[static_cast<std::size_t>(Precision::bfloat16)], full, 0.02 * full);
}

TEST(CudaEngine, GoesOnFromTheStateOfTheAutogradEngineAndBack) {
  const auto c = nested();
  auto options = c.options;
  options.epsilon = 1e-2;
  auto plain = make(c), found = make(c);
  auto a = make_autograd_engine(plain, options);
  auto b = make_cuda_engine(found, options);
  for (std::uint64_t i = 0; i < 3; ++i) a->step(batch_of(c, i), 1e-2);
  {
    const torch::NoGradGuard no_grad;
    for (const auto& item : plain.named_parameters())
      found.named_parameters()[item.key()].copy_(item.value());
  }
  b->restore(a->state());
  a->step(batch_of(c, 3), 1e-2);
  b->step(batch_of(c, 3), 1e-2);
  a->restore(b->state());
  const auto expected = a->take_metrics(), metrics = b->take_metrics();
  EXPECT_NEAR(metrics.loss, expected.loss, 1e-6);
  for (const auto& item : plain.named_parameters()) {
    EXPECT_LE(error_of(found.named_parameters()[item.key()], item.value()), 1e-5) << item.key();
  }
}

TEST(CudaTraining, IsTheSameFromRowsOnTheDeviceAndThoseOfTheHost) {
  auto rows = make_data();
  const auto trained = [&](bool on_device) {
    auto model = make_model();
    model.to(test_device());
    TrainerParts parts;
    parts.engine = make_cuda_engine;
    if (on_device) parts.free_memory = [] { return std::uint64_t{1} << 30; };
    EXPECT_TRUE(Trainer(model, brief(), parts).fit(rows).finished);
    return model;
  };
  expect_same_bits(trained(true), trained(false), "rows of the host");
}

TEST(CudaEngine, SaysWhatItDoesNotTake) {
  using testing::HasSubstr;
  const auto refusal = [](const models::SparseAutoencoderOptions& options, const TrainOptions& o,
                          torch::ScalarType type = torch::kFloat32) {
    SparseAutoencoder model(options);
    model.to(type);
    model.to(test_device());
    return test::error_of<std::invalid_argument>([&] { make_cuda_engine(model, o); });
  };
  models::SparseAutoencoderOptions model{.dim = 5, .latents = 14, .activation = models::Relu{}};
  EXPECT_EQ(refusal(model, small()), "no error");
  EXPECT_THAT(refusal(model, small(), torch::kFloat64), HasSubstr("its parameters are float32"));
  auto cosine = small(), large = small();
  cosine.loss = Loss::cosine;
  EXPECT_THAT(refusal(model, cosine), HasSubstr("cosine loss"));
  EXPECT_THAT(refusal({.dim = 2056, .latents = 14, .activation = models::Relu{}}, small()),
              HasSubstr("at most 2048 dimensions"));
  EXPECT_THAT(refusal({.dim = 5, .latents = 14, .activation = models::JumpRelu{}}, small()),
              HasSubstr("jump-relu"));
  large.batch_size = std::int64_t{1} << 21;
  EXPECT_THAT(refusal(model, large), HasSubstr("batches of at most"));
}

TEST(CudaEngine, SaysWhichBatchSizeFits) {
  const auto c = nested(4096);
  auto model = make(c);
  auto engine = make_cuda_engine(model, c.options);
  std::uint64_t bytes = 0;
  for (const auto& use : engine->memory()) bytes += static_cast<std::uint64_t>(use.bytes);
  engine.reset();
  if (!pretend_free_memory(bytes / 2)) return;
  const auto message = test::error_of<Error>([&] { make_cuda_engine(model, c.options); });
  EXPECT_THAT(message, testing::ContainsRegex(
                           "^training 50 latents on batches of 4096 takes [0-9]*\\.[0-9] MB on .*, "
                           "which has [0-9]*\\.[0-9] MB free; batches of [0-9]* fit: lower the batch size"));
  const auto fits = std::stoll(message.substr(message.find("batches of", 60) + 11));
  auto options = c.options;
  options.batch_size = fits;
  EXPECT_NO_THROW(make_cuda_engine(model, options));
  options.batch_size = fits + 1;
  EXPECT_ANY_THROW(make_cuda_engine(model, options));
  pretend_free_memory(1000);
  EXPECT_THAT(test::error_of<Error>([&] { make_cuda_engine(model, c.options); }),
              testing::EndsWith("free; lower the number of latents"));
  pretend_free_memory(std::uint64_t{1} << 40);
}

}  // namespace
}  // namespace msae::train
