#include "msae/train/trainer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "models/every_model.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensors.h"
#include "train/small_run.h"

namespace msae::train {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

void expect_equal(const models::SparseAutoencoder& a, const models::SparseAutoencoder& b) {
  EXPECT_TRUE(torch::equal(a.encoder, b.encoder));
  EXPECT_TRUE(torch::equal(a.decoder, b.decoder));
  EXPECT_TRUE(torch::equal(a.latent_bias, b.latent_bias));
  EXPECT_TRUE(torch::equal(a.pre_bias, b.pre_bias));
  EXPECT_TRUE(torch::equal(a.threshold, b.threshold));
  EXPECT_TRUE(torch::equal(a.mean, b.mean));
  if (a.log_threshold.defined()) {
    EXPECT_TRUE(torch::equal(a.log_threshold, b.log_threshold));
  }
}

TEST(Trainer, LowersTheLossOfEveryKind) {
  auto data = make_data(400);
  for (const auto& activation : test::every_activation(32)) {
    auto model = make_model(activation);
    Trainer trainer(model, {.batch_size = 100, .epochs = 40, .learning_rate = 1e-2});
    std::vector<double> losses;
    trainer.on_progress([&](const Progress& p) { losses.push_back(p.metrics.loss); });
    const auto result = trainer.fit(data);
    EXPECT_TRUE(result.finished);
    EXPECT_EQ(result.steps, 160);
    EXPECT_LT(losses.back(), 0.6 * losses.front()) << models::kind(activation);
  }
}

TEST(Trainer, LowersTheLossWithEveryOption) {
  auto data = make_data(400);
  for (const auto& options : test::some_models(12, 32)) {
    models::SparseAutoencoder model(options);
    Trainer trainer(
        model,
        {.batch_size = 100, .epochs = 15, .learning_rate = 1e-2, .auxk = 1.0 / 32, .resample_every = 20});
    std::vector<double> losses;
    trainer.on_progress([&](const Progress& p) { losses.push_back(p.metrics.loss); });
    EXPECT_TRUE(trainer.fit(data).finished);
    EXPECT_LT(losses.back(), 0.9 * losses.front()) << test::name(options);
  }
}

TEST(Trainer, MakesJumpReluSparserForALargerL0) {
  auto data = make_data(400);
  const auto active = [&](double l0) {
    auto model = make_model(models::JumpRelu{.threshold = 0.1, .bandwidth = 0.3});
    Trainer trainer(model, {.batch_size = 100, .epochs = 40, .learning_rate = 1e-2, .l0 = l0});
    double last = 0;
    trainer.on_progress([&](const Progress& p) { last = p.metrics.active; });
    trainer.fit(data);
    return last;
  };
  EXPECT_LT(active(0.1), 0.7 * active(0));
}

TEST(Trainer, TellsHowMuchOfTheDataIsRead) {
  auto data = make_data(100'000);  // more than one block
  auto model = make_model();
  Trainer trainer(model, {.batch_size = 40, .steps = 1});
  std::vector<double> shares;
  trainer.on_reading([&](double share) { shares.push_back(share); });
  trainer.fit(data);
  EXPECT_GT(shares.size(), 1u);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
}

TEST(Trainer, StoppedWhileReadingWritesNothing) {
  const test::TempDir folder;
  auto data = make_data(100'000);
  auto model = make_model();
  const auto mean = model.mean.clone();
  Trainer trainer(model, brief());
  std::atomic<bool> stop{false};
  int calls = 0;
  trainer.on_reading([&](double) {
    ++calls;
    stop = true;
  });
  trainer.stop_when(&stop);
  const auto result = trainer.fit(data, {.folder = folder / "run"});
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(result.steps, 0);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
  EXPECT_TRUE(torch::equal(model.mean, mean));

  trainer.on_reading([](double) { throw Error("enough"); });
  EXPECT_EQ(error_of<Error>([&] { trainer.fit(data, {.folder = folder / "run"}); }), "enough");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Trainer, TakesEpochsOrSteps) {
  auto data = make_data();
  auto model = make_model();
  EXPECT_EQ(Trainer(model, {.batch_size = 40, .epochs = 2}).fit(data).steps, 8);  // 40 + 40 + 40 + 30 rows
  EXPECT_EQ(Trainer(model, {.batch_size = 40, .epochs = 2, .steps = 3}).fit(data).steps, 3);
}

TEST(Trainer, ReportsWhereItStands) {
  auto data = make_data();
  auto model = make_model();
  Trainer trainer(model, brief());
  std::vector<Progress> seen;
  trainer.on_progress([&](const Progress& p) { seen.push_back(p); });
  trainer.fit(data);
  ASSERT_EQ(seen.size(), 20u);
  EXPECT_EQ(seen[0].rows_seen, 40);
  EXPECT_EQ(seen[3].rows_seen, 150);
  EXPECT_EQ(seen[4].epoch, 1);
  EXPECT_EQ(seen[19].step, 20);
  EXPECT_EQ(seen[19].seconds_left, 0);
}

TEST(Trainer, GivesTheSameBitsTwiceAndOthersForAnotherSeed) {
  auto data = make_data();
  auto a = make_model(), b = make_model(), c = make_model();
  auto options = brief();
  Trainer(a, options).fit(data);
  Trainer(b, options).fit(data);
  expect_equal(a, b);
  options.seed = 7;
  Trainer(c, options).fit(data);
  EXPECT_FALSE(torch::equal(a.decoder, c.decoder));
}

TEST(Trainer, ResumesExactlyWhereItWasStopped) {
  auto data = make_data();
  const test::TempDir folder;
  for (const bool published : {false, true}) {
    const auto name = [&](const char* part) {
      return folder / (std::string(part) + (published ? "_published" : ""));
    };
    auto options = published ? TrainOptions::published(models::BatchTopK{4}) : brief();
    options.batch_size = 40;
    options.epochs = 5;
    auto straight = make_model(models::BatchTopK{4});
    Trainer(straight, options).fit(data, {.folder = name("straight")});

    auto model = make_model(models::BatchTopK{4});
    Trainer trainer(model, options);
    std::atomic<bool> stop{false};
    trainer.stop_when(&stop);
    trainer.on_progress([&](const Progress& p) { stop = p.step == 7; });
    const auto first = trainer.fit(data, {.folder = name("stopped")});
    EXPECT_FALSE(first.finished);
    EXPECT_EQ(first.steps, 7);

    auto resumed = make_model(models::BatchTopK{4});
    Trainer second(resumed, options);
    EXPECT_TRUE(second.fit(data, {.folder = name("stopped"), .resume = true}).finished);
    expect_equal(resumed, straight);
    EXPECT_EQ(metrics(name("stopped")), metrics(name("straight")));

    auto again = make_model(models::BatchTopK{4});
    const auto done = Trainer(again, options).fit(data, {.folder = name("stopped"), .resume = true});
    EXPECT_TRUE(done.finished);
    expect_equal(again, straight);
  }
}

// Stopped two steps after latents were given a fresh start, and before the next time.
TEST(Trainer, ResumesEveryModelExactlyWhereItWasStopped) {
  auto data = make_data();
  auto options = brief();
  options.auxk = 0.1;
  options.resample_every = 5;
  options.dead_after = 40;
  for (const auto& model_options : test::some_models(12, 32)) {
    const test::TempDir folder;
    models::SparseAutoencoder straight(model_options), stopped(model_options), resumed(model_options);
    Trainer(straight, options).fit(data);
    Trainer trainer(stopped, options);
    std::atomic<bool> stop{false};
    trainer.stop_when(&stop);
    trainer.on_progress([&](const Progress& p) { stop = p.step == 7; });
    EXPECT_EQ(trainer.fit(data, {.folder = folder / "run"}).steps, 7);
    EXPECT_TRUE(Trainer(resumed, options).fit(data, {.folder = folder / "run", .resume = true}).finished);
    SCOPED_TRACE(test::name(model_options));
    expect_equal(resumed, straight);
  }
}

TEST(Trainer, CutsMetricsOfStepsItRepeats) {
  auto data = make_data();
  const test::TempDir folder;
  auto model = make_model();
  std::atomic<bool> stop{false};
  Trainer trainer(model, brief());
  trainer.stop_when(&stop);
  trainer.on_progress([&](const Progress& p) { stop = p.step == 6; });
  trainer.fit(data, {.folder = folder / "run"});
  std::ofstream(folder / "run" / "metrics.csv", std::ios::app)
      << "7,1,1,1,1,1,1,1,1,1\n8,1,1,1,1,1,1,1,1,1\n";
  auto resumed = make_model();
  Trainer(resumed, brief()).fit(data, {.folder = folder / "run", .resume = true});
  EXPECT_EQ(metrics(folder / "run").size(), 21u);
}

TEST(Trainer, LeavesAModelThatLoads) {
  auto data = make_data();
  const test::TempDir folder;
  auto model = make_model();
  Trainer(model, brief()).fit(data, {.folder = folder / "run", .description = "# how\n"});
  const auto loaded = io::load(folder / "run");
  EXPECT_CLOSE(loaded->decoder.detach(), model.decoder.detach(), 1e-5);
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "options.toml"));
  EXPECT_THAT(metrics(folder / "run")[0], StartsWith("step,epoch,rows_seen,lr,loss,fvu,active,dead"));
}

TEST(Trainer, RefusesFoldersItWouldSpoil) {
  auto data = make_data();
  const test::TempDir folder;
  auto model = make_model();
  const auto fit = [&](const RunOptions& run) {
    return error_of([&] { Trainer(model, brief()).fit(data, run); });
  };
  std::ofstream(folder / "file") << "text";
  EXPECT_THAT(fit({.folder = folder / "file"}), HasSubstr("is a file"));
  EXPECT_THAT(fit({.folder = folder / "file" / "run"}), HasSubstr("cannot be written"));
  EXPECT_THAT(fit({.folder = folder.path()}), HasSubstr("not empty"));
  EXPECT_EQ(fit({.folder = folder / "run"}), "no error");
  auto other = brief();
  other.learning_rate = 0.5;
  EXPECT_THAT(error_of([&] { Trainer(model, other).fit(data, {.folder = folder / "run", .resume = true}); }),
              HasSubstr("other options"));
}

TEST(Trainer, DoesNotStartAnewOverAModelWhoseStateIsGone) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  Trainer(model, brief()).fit(data, {.folder = folder / "run"});
  std::filesystem::remove_all(folder / "run" / "state");
  EXPECT_THAT(
      error_of([&] { Trainer(model, brief()).fit(data, {.folder = folder / "run", .resume = true}); }),
      HasSubstr("no saved state"));
  EXPECT_EQ(metrics(folder / "run").size(), 21u);
}

TEST(Trainer, ResumesIntoANewFolderFromTheStart) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  EXPECT_TRUE(Trainer(model, brief()).fit(data, {.folder = folder / "run", .resume = true}).finished);
}

TEST(Trainer, RefusesDataThatDoesNotFit) {
  auto data = make_data(30);
  auto model = make_model();
  EXPECT_THAT(error_of([&] { Trainer(model, brief()).fit(data); }), HasSubstr("40 is more than the 30 rows"));
  models::SparseAutoencoder wide({.dim = 13, .latents = 20, .activation = models::Relu{}});
  EXPECT_THAT(error_of([&] { Trainer(wide, {.batch_size = 10}).fit(data); }), HasSubstr("dimension 12"));
}

TEST(Trainer, SaysSoWhenTrainingDiverges) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  auto options = brief();
  options.learning_rate = 1e30;
  options.weight_decay = 0;
  options.clip = 0;
  EXPECT_THAT(error_of([&] { Trainer(model, options).fit(data); }), HasSubstr("diverged"));
}

}  // namespace
}  // namespace msae::train
