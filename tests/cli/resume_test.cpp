// Runs that were stopped, and go on.
#include <signal.h>

#include <chrono>
#include <thread>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

// Long enough to be stopped on its way: some seconds.
Arguments long_training(const std::string& out, const Arguments& more = {}) {
  return train(out, Arguments{"--steps", "1500", "--batch-size", "150", "--log-every", "10"} + more);
}

// metrics.csv without the two last columns, which tell the time.
std::vector<std::string> timeless_metrics(const Workplace& here, const std::string& run) {
  auto rows = lines(contents(here / run / "metrics.csv"));
  for (auto& row : rows) row.resize(row.rfind(',', row.rfind(',') - 1));
  return rows;
}

// Starts the training and sends it the signal once it has logged some steps.
Outcome stop_on_the_way(const Workplace& here, const Arguments& arguments, const fs::path& run, int number) {
  Process process(here.path(), arguments);
  while (process.running() && lines(contents(run / "metrics.csv")).size() < 5) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  process.signal(number);
  return process.wait();
}

class StoppedRun : public testing::TestWithParam<const char*> {};

TEST_P(StoppedRun, GoesOnToWhatItWouldHaveBeen) {
  const Workplace here;
  const auto model = Arguments{"--model", GetParam(), "--save-every", "100steps"} + with_k(GetParam());
  ASSERT_THAT(here.run(long_training("whole", model)), Succeeds());

  const auto stopped = stop_on_the_way(here, long_training("parted", model), here / "parted", SIGINT);
  ASSERT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  EXPECT_THAT(lines(stopped.err).back(),
              AllOf(StartsWith("msae: interrupted after step "), HasSubstr("saved in parted"),
                    HasSubstr("msae train --out parted --resume")));
  EXPECT_THAT(here.run({"eval", "parted", "--data", "data.h5:/embeddings"}), Succeeds());
  const auto step = parse(here.run({"info", "parted", "--json", "-"}).out).at("saved_step").get<int>();
  EXPECT_GT(step, 0);
  EXPECT_LT(step, 1500);

  const auto resumed = here.run({"train", "--out", "parted", "--resume"});
  ASSERT_THAT(resumed, Succeeds());
  EXPECT_THAT(resumed.err, HasSubstr("going on from step " + std::to_string(step)));
  EXPECT_TRUE(here.weights("parted") == here.weights("whole"));
  EXPECT_EQ(timeless_metrics(here, "parted"), timeless_metrics(here, "whole"));
}

INSTANTIATE_TEST_SUITE_P(, StoppedRun, testing::Values("matryoshka", "batch-topk"), [](const auto& test) {
  return std::string(test.param) == "matryoshka" ? "matryoshka" : "batch_topk";
});

TEST(Info, TellsThatARunIsBeingTrained) {
  const Workplace here;
  Process process(here.path(), train("new", {"--steps", "1000000", "--save-every", "5steps"}));
  while (process.running() && !here.has("new/state/state.safetensors")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const auto told = here.run({"info", "new", "--json", "-"});
  const auto info = parse(told.out);
  EXPECT_EQ(info.at("running"), true);
  EXPECT_EQ(info.at("finished"), false);
  EXPECT_EQ(info.at("steps"), 1000000);
  EXPECT_EQ(told.err, "");
}

TEST(Resume, AKilledRunGoesOnFromItsLastSave) {
  const Workplace here;
  ASSERT_THAT(here.run(long_training("whole")), Succeeds());
  const auto killed =
      stop_on_the_way(here, long_training("parted", {"--save-every", "5steps"}), here / "parted", SIGKILL);
  ASSERT_EQ(killed.exit_code, -SIGKILL);
  EXPECT_FALSE(here.has("parted/cfg.json"));
  const auto told = here.run({"info", "parted", "--json", "-"});
  const auto info = parse(told.out);
  EXPECT_EQ(info.at("saved_step").get<int>() % 5, 0);
  EXPECT_EQ(info.at("finished"), false);
  EXPECT_LT(info.at("saved_step"), info.at("steps"));
  EXPECT_EQ(told.err, "msae: stopped on the way; go on with: msae train --out parted --resume\n");
  EXPECT_THAT(
      here.run({"eval", "parted", "--data", "data.h5:/embeddings"}),
      FailsSaying({"parted: holds a run that has written no model yet", "msae train --out parted --resume"}));
  ASSERT_THAT(here.run({"train", "--out", "parted", "--resume", "--save-every", "300"}), Succeeds());
  EXPECT_TRUE(here.weights("parted") == here.weights("whole"));
  EXPECT_EQ(timeless_metrics(here, "parted"), timeless_metrics(here, "whole"));
}

// A full disk, as a limit on the size of files makes it for whoever has no disk to fill.
TEST(Resume, GoesOnOnceThereIsRoomToSave) {
  const Workplace here;
  ASSERT_THAT(here.run(long_training("whole")), Succeeds());
  Process process(here.path(), long_training("parted", {"--save-every", "5steps"}));
  while (process.running() && !here.has("parted/state/previous.safetensors")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  process.limit_files(10'000);
  const auto failed = process.wait();
  ASSERT_EQ(failed.exit_code, 1) << failed.err;
  const auto info = parse(here.run({"info", "parted", "--json", "-"}).out);
  const auto saved = info.at("saved_step").get<int>();
  EXPECT_GE(saved, 10);
  EXPECT_THAT(lines(failed.err).back(),
              AllOf(StartsWith("msae: parted/state/state.safetensors: cannot be written: "),
                    HasSubstr("the run is kept as it was at step " + std::to_string(saved) +
                              ", --resume goes on from there")));
  ASSERT_THAT(here.run({"train", "--out", "parted", "--resume"}), Succeeds());
  EXPECT_TRUE(here.weights("parted") == here.weights("whole"));
  EXPECT_EQ(timeless_metrics(here, "parted"), timeless_metrics(here, "whole"));
  for (const auto& name : here.names()) EXPECT_THAT(name, testing::Not(HasSubstr(".tmp")));
}

TEST(Resume, SigtermSavesLikeCtrlC) {
  const Workplace here;
  const auto stopped = stop_on_the_way(here, long_training("parted"), here / "parted", SIGTERM);
  EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_TRUE(here.has("parted/sae_weights.safetensors"));
  EXPECT_TRUE(here.has("parted/state/state.safetensors"));
}

TEST(Resume, AFinishedRunStaysAsItIs) {
  const Workplace here;
  const auto model = here.weights("run");
  const auto metrics = contents(here / "run" / "metrics.csv");
  const auto resumed = here.run({"train", "--out", "run", "--resume"});
  ASSERT_THAT(resumed, Succeeds());
  EXPECT_THAT(resumed.err,
              AllOf(HasSubstr("run: was finished before, 20 steps"), testing::Not(HasSubstr("going on"))));
  EXPECT_TRUE(here.weights("run") == model);
  EXPECT_EQ(contents(here / "run" / "metrics.csv"), metrics);
}

TEST(Resume, OtherOptionsAreRefusedAndNothingIsLost) {
  const Workplace here;
  const auto names = here.names();
  const auto model = here.weights("run");
  const auto metrics = contents(here / "run" / "metrics.csv");
  const auto options = contents(here / "run" / "options.toml");
  const auto resume = [&](const Arguments& more) {
    return here.run(Arguments{"train", "--out", "run", "--resume"} + more);
  };
  for (const auto& other : std::vector<Arguments>{{"--lr", "0.01"},
                                                  {"--seed", "7"},
                                                  {"--steps", "40"},
                                                  {"--latents", "128"},
                                                  {"--weights", "reverse"}}) {
    EXPECT_THAT(resume(other), FailsSaying({"run: holds a run with other options", "name a new folder"}));
  }
  EXPECT_EQ(here.names(), names);
  EXPECT_TRUE(here.weights("run") == model);
  EXPECT_EQ(contents(here / "run" / "metrics.csv"), metrics);
  EXPECT_EQ(contents(here / "run" / "options.toml"), options);
}

TEST(Resume, AFolderWithoutARunIsSaid) {
  const Workplace here;
  EXPECT_THAT(here.run({"train", "--out", "none", "--resume"}),
              FailsSaying({"none: holds no run to go on with"}));
  EXPECT_THAT(here.run({"train", "--out", "none"}), IsWrongUsage("--data"));
  EXPECT_FALSE(here.has("none"));
}

TEST(Resume, ANewFolderBeginsARunAndSaysSo) {
  const Workplace here;
  const auto begun = here.run(train("new", {"--resume"}));
  ASSERT_THAT(begun, Succeeds());
  EXPECT_THAT(begun.err, HasSubstr("new: nothing to go on from yet, a new run begins"));
  ASSERT_THAT(here.run(train("same")), Succeeds());
  EXPECT_TRUE(here.weights("new") == here.weights("same"));
}

}  // namespace
}  // namespace msae::test
