// The two newest states of a run, and what becomes of them when they are damaged.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensors.h"
#include "support/watched_source.h"
#include "train/run_folder.h"
#include "train/small_run.h"

namespace msae::train {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

// A run of 20 steps that was killed at its 14th, states of steps 10 and 12 saved.
class SavedStates : public testing::Test {
 protected:
  SavedStates() {
    Trainer(straight_, brief()).fit(data_, {.folder = folder_ / "straight"});
    auto model = make_model();
    Trainer killed(model, brief());
    killed.on_progress([](const Progress& p) {
      if (p.step == 14) throw std::runtime_error("killed");
    });
    EXPECT_THROW(killed.fit(data_, {.folder = run_, .save_every_steps = 2}), std::runtime_error);
    log::set_sink([this](log::Level, std::string_view line) { lines_.emplace_back(line); });
  }
  ~SavedStates() override { log::set_sink({}); }

  static void overwrite_a_byte(const fs::path& file) {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(-100, std::ios::end);
    const auto byte = static_cast<char>(bytes.get() ^ 1);
    bytes.seekp(-100, std::ios::end);
    bytes.put(byte);
  }
  // Goes on to the same bits.
  void expect_resumed() {
    auto model = make_model();
    EXPECT_TRUE(Trainer(model, brief()).fit(data_, {.folder = run_, .resume = true}).finished);
    EXPECT_TRUE(torch::equal(model.decoder, straight_.decoder));
    EXPECT_TRUE(torch::equal(model.encoder, straight_.encoder));
    EXPECT_TRUE(torch::equal(model.pre_bias, straight_.pre_bias));
    EXPECT_EQ(metrics(run_), metrics(folder_ / "straight"));
  }
  std::string refused() {
    auto model = make_model();
    return error_of<IoError>([&] { Trainer(model, brief()).fit(data_, {.folder = run_, .resume = true}); });
  }

  data::SyntheticHierarchy data_ = make_data();
  models::SparseAutoencoder straight_ = make_model();
  test::TempDir folder_;
  fs::path run_ = folder_ / "run", newest_ = run_ / "state" / "state.safetensors",
           before_ = run_ / "state" / "previous.safetensors";
  std::vector<std::string> lines_;
};

TEST_F(SavedStates, AreTheTwoNewest) {
  EXPECT_EQ(io::load_tensors(newest_).metadata.at("step"), "12");
  EXPECT_EQ(io::load_tensors(before_).metadata.at("step"), "10");
  expect_resumed();
  EXPECT_TRUE(lines_.empty());
}

TEST_F(SavedStates, GiveWayToTheOneBeforeWhereTheNewestHasABadByte) {
  overwrite_a_byte(newest_);
  const auto progress = RunFolder::saved_progress(run_);
  EXPECT_EQ(progress->step, 10);
  EXPECT_THAT(progress->damage, HasSubstr("of step 10, is taken instead"));
  expect_resumed();
  EXPECT_THAT(lines_,
              ElementsAre(newest_.string() + ": damaged, its contents do not fit its checksum; the state "
                                             "saved before it, of step 10, is taken instead"));
}

TEST_F(SavedStates, GiveWayToTheOneBeforeWhereverTheNewestIsCut) {
  const auto size = fs::file_size(newest_);
  for (const auto length : {std::uintmax_t{0}, std::uintmax_t{5}, std::uintmax_t{500}, size / 2, size - 1}) {
    const auto killed = std::exchange(run_, folder_ / ("cut" + std::to_string(length)));
    fs::copy(killed, run_, fs::copy_options::recursive);
    fs::resize_file(run_ / "state" / "state.safetensors", length);
    expect_resumed();
    EXPECT_THAT(lines_.back(), HasSubstr("of step 10, is taken instead")) << length;
    run_ = killed;
  }
}

TEST_F(SavedStates, MayBeOnlyTheOneBeforeWhenAProcessDiedBetweenTwoRenames) {
  fs::remove(newest_);
  EXPECT_EQ(RunFolder::saved_progress(run_)->step, 10);
  expect_resumed();
  EXPECT_TRUE(lines_.empty());
}

// The good one must not make room for one that is known to be damaged.
TEST_F(SavedStates, ThatAreDamagedDoNotTakeThePlaceOfTheOneBefore) {
  overwrite_a_byte(newest_);
  RunFolder folder({.folder = run_, .resume = true});
  auto state = *folder.load_state();
  EXPECT_EQ(state.step, 10);
  state.step = 11;
  folder.save_state(state);
  fs::remove(newest_);  // as if the process had been killed before its last rename
  EXPECT_EQ(folder.load_state()->step, 10);
  state.step = 12;
  folder.save_state(state);
  state.step = 13;
  folder.save_state(state);
  fs::remove(newest_);
  EXPECT_EQ(folder.load_state()->step, 12);
}

TEST_F(SavedStates, ThatCannotBeLoadedLeaveEverythingWhereItIs) {
  overwrite_a_byte(newest_);
  overwrite_a_byte(before_);
  const auto whole = run_ / "state" / ".state.safetensors.1.2.tmp";
  std::ofstream(whole) << "perhaps the last whole one";
  refused();
  EXPECT_TRUE(fs::exists(whole));
}

TEST_F(SavedStates, ThatAreBothDamagedAreRefused) {
  overwrite_a_byte(newest_);
  overwrite_a_byte(before_);
  EXPECT_THAT(refused(), testing::AllOf(HasSubstr("state.safetensors: damaged"),
                                        HasSubstr("previous.safetensors: damaged")));
  fs::remove(before_);
  EXPECT_THAT(refused(), HasSubstr("state.safetensors: damaged, its contents do not fit its checksum"));
}

TEST_F(SavedStates, OfBeforeThereWereSumsAreTaken) {
  auto state = io::load_tensors(newest_);
  state.metadata.erase("crc32");
  io::save_tensors(newest_, state);
  expect_resumed();
  EXPECT_TRUE(lines_.empty());
}

TEST_F(SavedStates, AreFreedOfWhatAKilledProcessWasWriting) {
  std::ofstream(run_ / "state" / ".state.safetensors.1.2.tmp") << "half";
  std::ofstream(run_ / ".cfg.json.1.2.tmp") << "half";
  expect_resumed();
  EXPECT_FALSE(fs::exists(run_ / "state" / ".state.safetensors.1.2.tmp"));
  EXPECT_FALSE(fs::exists(run_ / ".cfg.json.1.2.tmp"));
}

TEST_F(SavedStates, AreFollowedByWholeRowsOfMetricsAlone) {
  std::ofstream(run_ / "metrics.csv", std::ios::app) << "1";  // of step 15, cut by a full disk
  expect_resumed();
}

TEST(Checksum, TellsEveryChangeApart) {
  const io::TensorFile file{{{"a", torch::arange(4.0)}, {"b", torch::zeros({2}, torch::kInt64)}},
                            {{"x", "y"}}};
  const auto sum = io::checksum(file);
  EXPECT_EQ(io::checksum(file), sum);
  const auto changed = [&](const std::function<void(io::TensorFile&)>& change) {
    auto other = file;
    change(other);
    return io::checksum(other) != sum;
  };
  EXPECT_TRUE(changed([](auto& f) { f.metadata["x"] = "z"; }));
  EXPECT_TRUE(changed([](auto& f) { f.metadata = {{"xy", ""}}; }));
  EXPECT_TRUE(changed([](auto& f) { f.tensors["a"] = f.tensors["a"].view({2, 2}); }));
  EXPECT_TRUE(changed([](auto& f) { f.tensors["a"] = f.tensors["a"].add(0).index_put_({3}, 7.0); }));
  EXPECT_TRUE(changed([](auto& f) { f.tensors["b"] = torch::zeros({4}); }));
  EXPECT_TRUE(changed([](auto& f) { f.tensors.erase("b"); }));
}

// Two of them are in memory while rows are shuffled.
TrainOptions by_pools() {
  auto options = brief();
  options.shuffle_rows = 40;
  return options;
}

models::SparseAutoencoder trained_straight(data::EmbeddingSource& data, const TrainOptions& options) {
  auto model = make_model();
  Trainer(model, options).fit(data);
  return model;
}

TEST(Trainer, SavesWhatIsDoneWhenItsDataCannotBeReadAnyMore) {
  auto data = make_data();
  const test::TempDir folder;
  const auto options = by_pools();
  const auto straight = trained_straight(data, options);
  auto failed = make_model(), resumed = make_model();
  std::int64_t rows_left = 2 * data.rows();  // for the statistics, and an epoch
  test::WatchedSource failing(data, [&](std::int64_t count) {
    if (rows_left <= 0) throw IoError("the disk is gone");
    rows_left -= count;
  });
  EXPECT_THAT(error_of<IoError>([&] { Trainer(failed, options).fit(failing, {.folder = folder / "run"}); }),
              HasSubstr("the disk is gone"));
  const auto saved = RunFolder::saved_progress(folder / "run");
  ASSERT_TRUE(saved);
  EXPECT_GT(saved->step, 0);
  EXPECT_LT(saved->step, 20);
  rows_left = 1000 * data.rows();
  EXPECT_TRUE(Trainer(resumed, options).fit(failing, {.folder = folder / "run", .resume = true}).finished);
  EXPECT_TRUE(torch::equal(straight.decoder, resumed.decoder));
}

// A reading that takes 20 seconds is not waited for, but by the thread that reads.
TEST(Trainer, StopsAndSavesWhileItWaitsForRows) {
  auto data = make_data();
  const test::TempDir folder;
  const auto options = by_pools();
  const auto straight = trained_straight(data, options);
  auto stopped = make_model(), resumed = make_model();
  std::atomic<std::int64_t> reads_before_wait = 1 << 30;
  std::atomic<bool> waits = false, may_go_on = false, ended = false;
  test::WatchedSource slow(data, [&](std::int64_t) {
    if (reads_before_wait-- > 0) return;
    waits = true;
    for (int i = 0; i < 2000 && !may_go_on; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
  std::atomic<bool> stop{false};
  Trainer trainer(stopped, options);
  trainer.stop_when(&stop);
  std::int64_t steps = 0;
  trainer.on_progress([&](const Progress& p) {
    steps = p.step;
    if (p.step == 1) reads_before_wait = 1;
  });
  std::thread user([&] {
    while (!waits && !ended) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // what is ready has been trained on
    stop = true;
    while (RunFolder::saved_progress(folder / "run") == std::nullopt && !ended)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(may_go_on);
    may_go_on = true;
  });
  EXPECT_FALSE(trainer.fit(slow, {.folder = folder / "run", .log_every = 1}).finished);
  ended = true;
  user.join();
  EXPECT_EQ(RunFolder::saved_progress(folder / "run")->step, steps);
  EXPECT_LT(steps, 20);
  EXPECT_TRUE(Trainer(resumed, options).fit(data, {.folder = folder / "run", .resume = true}).finished);
  EXPECT_TRUE(torch::equal(straight.decoder, resumed.decoder));
}

TEST(Trainer, KeepsToTheShufflingThatARunBeganWith) {
  auto data = make_data();
  const test::TempDir folder;
  const auto options = by_pools();
  const auto straight = trained_straight(data, options);
  auto stopped = make_model(), resumed = make_model();
  std::atomic<bool> stop{false};
  Trainer first(stopped, options);
  first.stop_when(&stop);
  first.on_progress([&](const Progress& p) { stop = p.step == 7; });
  EXPECT_FALSE(first.fit(data, {.folder = folder / "run"}).finished);
  EXPECT_EQ(RunFolder::saved_progress(folder / "run")->shuffle_rows, 40);
  // All rows fit in memory, and yet.
  EXPECT_TRUE(Trainer(resumed, brief()).fit(data, {.folder = folder / "run", .resume = true}).finished);
  EXPECT_TRUE(torch::equal(straight.decoder, resumed.decoder));
  auto others = brief();
  others.shuffle_rows = 50;
  EXPECT_THAT(error_of<IoError>(
                  [&] { Trainer(resumed, others).fit(data, {.folder = folder / "run", .resume = true}); }),
              HasSubstr("rows shuffled together was 40 and is 50 now"));
}

}  // namespace
}  // namespace msae::train
