#include "msae/train/options.h"

#include <gmock/gmock.h>

#include <cmath>

#include "msae/core/error.h"
#include "msae/train/engine.h"
#include "support/error_of.h"
#include "support/tensors.h"

namespace msae::train {
namespace {

double rate(const TrainOptions& options, std::int64_t step, std::int64_t steps, std::int64_t per_epoch = 10) {
  return learning_rate(options, step, steps, per_epoch) / *options.learning_rate;
}

TEST(LearningRate, WarmsUpStaysAndFallsLinearly) {
  TrainOptions options{.learning_rate = 0.5};
  options.warmup = 0.05;
  EXPECT_DOUBLE_EQ(rate(options, 0, 100), 1.0 / 6);
  EXPECT_DOUBLE_EQ(rate(options, 4, 100), 5.0 / 6);
  EXPECT_DOUBLE_EQ(rate(options, 5, 100), 1);
  EXPECT_DOUBLE_EQ(rate(options, 80, 100), 1);
  EXPECT_DOUBLE_EQ(rate(options, 90, 100), 0.5);
  EXPECT_DOUBLE_EQ(rate(options, 99, 100), 0.05);
}

TEST(LearningRate, FallsByHalfACosine) {
  TrainOptions options{.learning_rate = 0.5};
  options.schedule = Schedule::cosine;
  options.warmup = 0;
  EXPECT_DOUBLE_EQ(rate(options, 0, 100), 1);
  EXPECT_NEAR(rate(options, 50, 100), 0.5, 1e-12);
  EXPECT_LT(rate(options, 99, 100), 0.001);
}

TEST(LearningRate, StaysPositiveAndBoundedForRunsOfAnyLength) {
  for (const auto schedule : {Schedule::linear, Schedule::cosine}) {
    for (const std::int64_t steps : {1, 2, 3, 7, 100}) {
      TrainOptions options{.learning_rate = 0.5};
      options.schedule = schedule;
      for (std::int64_t step = 0; step < steps; ++step) {
        EXPECT_GT(rate(options, step, steps), 0) << step << " of " << steps;
        EXPECT_LE(rate(options, step, steps), 1) << step << " of " << steps;
      }
    }
  }
}

// Epoch factors the published scheduler prints, its surprises for few epochs included.
TEST(LearningRate, PublishedGoesByWholeEpochs) {
  struct Case {
    std::int64_t epochs;
    double decay;
    std::vector<double> factors;
  };
  const Case cases[] = {{1, 0.2, {5}},
                        {5, 0.2, {1, 1, 1, 1, 1}},
                        {10, 0.2, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0.5}},
                        {7, 0.5, {1, 1, 1, 8.0 / 7, 6.0 / 7, 4.0 / 7, 2.0 / 7}},
                        {3, 1.0, {1, 2.0 / 3, 1.0 / 3}}};
  for (const auto& c : cases) {
    TrainOptions options = TrainOptions::published(models::TopK{});
    options.decay = c.decay;
    for (std::size_t epoch = 0; epoch < c.factors.size(); ++epoch) {
      for (const std::int64_t within : {0, 9}) {
        EXPECT_NEAR(rate(options, static_cast<std::int64_t>(epoch) * 10 + within, c.epochs * 10),
                    c.factors[epoch], 1e-9)
            << c.epochs << " epochs, epoch " << epoch;
      }
    }
  }
}

TEST(TrainOptions, TurnRowsOfAnyDimensionByTheSameAngle) {
  const auto rate = [](std::int64_t dim) {
    return *TrainOptions().for_data(dim, 4096, 40'000).learning_rate;
  };
  EXPECT_DOUBLE_EQ(rate(512), 0.005);
  EXPECT_DOUBLE_EQ(rate(128), 0.01);
  EXPECT_DOUBLE_EQ(rate(768), 0.0041);
  EXPECT_DOUBLE_EQ(rate(1), 0.11);
}

TEST(TrainOptions, TakeSmallBatchesOfSmallSets) {
  const auto batch = [](std::int64_t rows) { return *TrainOptions().for_data(512, 4096, rows).batch_size; };
  EXPECT_EQ(batch(1), 1);
  EXPECT_EQ(batch(31), 31);
  EXPECT_EQ(batch(319), 32);
  EXPECT_EQ(batch(640), 64);
  EXPECT_EQ(batch(40'959), 2048);
  EXPECT_EQ(batch(40'960), 4096);
  EXPECT_EQ(batch(1'000'000'000'000), 4096);
}

TEST(TrainOptions, RememberAShareOfTheSteps) {
  const auto beta2 = [](std::int64_t steps) {
    return *TrainOptions{.steps = steps}.for_data(512, 4096, 40'000).beta2;
  };
  EXPECT_DOUBLE_EQ(beta2(1), 0.9);
  EXPECT_DOUBLE_EQ(beta2(320), 0.95);
  EXPECT_DOUBLE_EQ(beta2(1600), 0.99);
  EXPECT_DOUBLE_EQ(beta2(1'000'000), 0.999);
  const TrainOptions by_epochs{.batch_size = 100, .epochs = 32};
  EXPECT_DOUBLE_EQ(*by_epochs.for_data(512, 4096, 901).beta2, 0.95) << "ten batches, the last of one row";
}

TEST(TrainOptions, DecayByWhatEasilyLearnsRowsByHeart) {
  const auto decay = [](TrainOptions options, std::int64_t latents, std::int64_t rows) {
    return *options.for_data(512, latents, rows).weight_decay;
  };
  EXPECT_DOUBLE_EQ(decay({.steps = 400}, 4096, 40'960), 1.6);  // 10 sqrt(1 / 10) / (400 * 0.005)
  EXPECT_DOUBLE_EQ(decay({.steps = 400}, 1024, 40'960), 0.79);
  EXPECT_DOUBLE_EQ(decay({.steps = 4000, .learning_rate = 0.001}, 4096, 40'960), 0.79);
  EXPECT_DOUBLE_EQ(decay({.steps = 1}, 4096, 1), 10) << "a twentieth at most";
  EXPECT_DOUBLE_EQ(decay({.steps = 1, .learning_rate = 100}, 4096, 1), 0.0005);
}

TEST(TrainOptions, KeepWhatTheyAreGiven) {
  const TrainOptions all{
      .batch_size = 7, .steps = 3, .learning_rate = 0.123, .beta2 = 0.456, .weight_decay = 0};
  const auto same = all.for_data(512, 4096, 100);
  EXPECT_EQ(same.batch_size, 7);
  EXPECT_EQ(same.learning_rate, 0.123);
  EXPECT_EQ(same.beta2, 0.456);
  EXPECT_EQ(same.weight_decay, 0);
  EXPECT_NO_THROW(all.require_complete());
  EXPECT_EQ(TrainOptions::published(models::TopK{}).for_data(512, 4096, 100).batch_size, 4096);
}

TEST(TrainOptions, RefuseSizesThatAreNone) {
  const auto refusal = [](std::int64_t dim, std::int64_t latents, std::int64_t rows) {
    return test::error_of<std::invalid_argument>([&] { TrainOptions().for_data(dim, latents, rows); });
  };
  EXPECT_EQ(refusal(1, 1, 1), "no error");
  EXPECT_EQ(refusal(0, 8, 40), "dim: must be at least 1, not 0");
  EXPECT_EQ(refusal(4, -1, 40), "latents: must be at least 1, not -1");
  EXPECT_EQ(refusal(4, 8, 0), "rows: must be at least 1, not 0");
}

TEST(TrainOptions, SayWhatAnEngineMisses) {
  const auto missing = [](auto change) {
    TrainOptions options{.batch_size = 7, .beta2 = 0.9, .weight_decay = 0};
    change(options);
    return test::error_of<std::invalid_argument>([&] { options.require_complete(); });
  };
  EXPECT_EQ(missing([](auto& o) { o.beta2.reset(); }),
            "beta2: has no value yet; TrainOptions::for_data() gives one");
  EXPECT_THAT(missing([](auto& o) { o.batch_size.reset(); }), testing::HasSubstr("batch_size: "));
  EXPECT_THAT(missing([](auto& o) { o.weight_decay.reset(); }), testing::HasSubstr("weight_decay: "));
  models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = models::TopK{2}});
  EXPECT_THAT(test::error_of<std::invalid_argument>([&] { make_engine(model, {}); }),
              testing::HasSubstr("batch_size: has no value yet"));
}

TEST(TrainOptions, PublishedDependOnTheKind) {
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::Relu{}).learning_rate.value(), 5e-5);
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::Relu{}).l1, 0.003);
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::TopK{}).learning_rate.value(), 5e-4);
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::BatchTopK{}).learning_rate.value(), 5e-4);
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::Matryoshka{{64}}).learning_rate.value(), 1e-4);
  EXPECT_EQ(TrainOptions::published(models::TopK{}).unit_norm, UnitNorm::before_step);
  EXPECT_EQ(TrainOptions{}.unit_norm, UnitNorm::after_step);
  EXPECT_DOUBLE_EQ(TrainOptions::published(models::TopK{}).beta2.value(), 0.999);
}

TEST(TrainOptions, NameTheFieldAndTheValueTheyRefuse) {
  const auto refusal = [](auto change) -> std::string {
    TrainOptions options;
    change(options);
    try {
      options.validate();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal([](auto& o) { o.batch_size = 0; }), "batch_size: must be at least 1, not 0");
  EXPECT_EQ(refusal([](auto& o) { o.epochs = 0; }), "epochs: must be at least 1, not 0");
  EXPECT_EQ(refusal([](auto& o) { o.epochs = 0, o.steps = 5; }), "accepted");
  EXPECT_THAT(refusal([](auto& o) { o.steps = -1; }), testing::HasSubstr("steps: "));
  EXPECT_THAT(refusal([](auto& o) { o.learning_rate = 0; }), testing::HasSubstr("not 0"));
  EXPECT_THAT(refusal([](auto& o) { o.learning_rate = -1; }), testing::HasSubstr("learning_rate: "));
  EXPECT_THAT(refusal([](auto& o) { o.learning_rate = -1; }), testing::HasSubstr("not -1"));
  EXPECT_THAT(refusal([](auto& o) { o.learning_rate = NAN; }), testing::HasSubstr("nan"));
  EXPECT_THAT(refusal([](auto& o) { o.learning_rate = INFINITY; }), testing::HasSubstr("inf"));
  EXPECT_THAT(refusal([](auto& o) { o.warmup = 1.5; }), testing::HasSubstr("warmup: "));
  EXPECT_THAT(refusal([](auto& o) { o.decay = -0.1; }), testing::HasSubstr("decay: "));
  EXPECT_THAT(refusal([](auto& o) { o.l1 = NAN; }), testing::HasSubstr("l1: "));
  EXPECT_EQ(refusal([](auto& o) { o.l0 = -1; }), "l0: must be finite in float32 and not negative, not -1");
  EXPECT_THAT(refusal([](auto& o) { o.l0 = NAN; }), testing::HasSubstr("l0: "));
  EXPECT_THAT(refusal([](auto& o) { o.auxk = -1; }), testing::HasSubstr("auxk: "));
  EXPECT_THAT(refusal([](auto& o) { o.auxk = INFINITY; }), testing::HasSubstr("auxk: "));
  EXPECT_EQ(refusal([](auto& o) { o.auxk_latents = -1; }),
            "auxk_latents: must be at least 1 (0: half the dimension), not -1");
  EXPECT_EQ(refusal([](auto& o) { o.resample_every = -1; }),
            "resample_every: must be at least 1 (0: never), not -1");
  EXPECT_EQ(refusal([](auto& o) { o.l0 = 1, o.auxk = 1, o.auxk_latents = 7, o.resample_every = 1; }),
            "accepted");
  EXPECT_THAT(refusal([](auto& o) { o.beta1 = 1; }), testing::HasSubstr("beta1: "));
  EXPECT_THAT(refusal([](auto& o) { o.beta2 = -1; }), testing::HasSubstr("beta2: "));
  EXPECT_THAT(refusal([](auto& o) { o.epsilon = 0; }), testing::HasSubstr("epsilon: "));
  EXPECT_THAT(refusal([](auto& o) { o.weight_decay = -1; }), testing::HasSubstr("weight_decay: "));
  EXPECT_EQ(refusal([](auto& o) { o.learning_rate = 0.001, o.weight_decay = 1000; }),
            "weight_decay: must be below 1 / the learning rate, 1000, not 1000");
  EXPECT_NO_THROW((TrainOptions{.learning_rate = 0.001, .weight_decay = 999}.validate()));
  EXPECT_THAT(
      test::error_of<std::invalid_argument>([] { TrainOptions{.weight_decay = 200}.for_data(512, 8, 40); }),
      testing::HasSubstr("below 1 / the learning rate, 200, not 200"));
  EXPECT_THAT(refusal([](auto& o) { o.clip = -1; }), testing::HasSubstr("clip: "));
  EXPECT_THAT(refusal([](auto& o) { o.dead_after = -1; }), testing::HasSubstr("dead_after: "));
  EXPECT_THAT(refusal([](auto& o) { o.fused.dense_level = -1; }), testing::HasSubstr("fused.dense: "));
  EXPECT_THAT(refusal([](auto& o) { o.fused.dense_level = NAN; }), testing::HasSubstr("fused.dense: "));
}

TEST(SetStatistics, CentresAndScalesTheData) {
  models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = models::Relu{}});
  const data::Statistics statistics{.rows = 10, .mean = {1, 2, 3, 4}, .mean_squared_deviation = 16};
  set_statistics(model, statistics, Scaling::unit_variance);
  EXPECT_FLOAT_EQ(model.scale.item<float>(), 0.5);
  EXPECT_TRUE(torch::equal(model.mean, torch::tensor({1.f, 2.f, 3.f, 4.f})));
  set_statistics(model, statistics, Scaling::published);
  EXPECT_FLOAT_EQ(model.scale.item<float>(), 0.125);
  set_statistics(model, statistics, Scaling::none);
  EXPECT_FLOAT_EQ(model.scale.item<float>(), 1);
}

TEST(SetStatistics, RefusesOtherDimensionsAndConstantData) {
  models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = models::Relu{}});
  EXPECT_THROW(
      set_statistics(model, {.rows = 1, .mean = {1, 2}, .mean_squared_deviation = 1}, Scaling::unit_variance),
      std::invalid_argument);
  EXPECT_THROW(set_statistics(model, {.rows = 1, .mean = {1, 2, 3, 4}, .mean_squared_deviation = 0},
                              Scaling::unit_variance),
               Error);
  const auto refusal = [&](double energy, Scaling scaling) {
    return test::error_of<Error>([&] {
      set_statistics(model, {.rows = 1, .mean = {1, 2, 3, 4}, .mean_squared_deviation = energy}, scaling,
                     "a.h5:/x");
    });
  };
  EXPECT_THAT(refusal(0, Scaling::unit_variance), testing::HasSubstr("a.h5:/x: all rows are equal"));
  EXPECT_THAT(refusal(1e-80, Scaling::unit_variance),
              testing::HasSubstr("a.h5:/x: the rows differ too little"));
  EXPECT_THAT(refusal(1e60, Scaling::published), testing::HasSubstr("a.h5:/x: the rows differ too much"));
}

}  // namespace
}  // namespace msae::train
