// `msae sweep`: many runs from one file, stopped, gone on with and failing.
#include <signal.h>

#include <fstream>
#include <map>
#include <thread>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

constexpr const char* small =
    "data = 'data.h5:/embeddings'\nout = 'sweep'\nlatents = 32\nbatch-size = 200\nsteps = 4\n";

class Sweep : public testing::Test {
 protected:
  void write(const std::string& text) const { std::ofstream(here / "c.toml", std::ios::trunc) << text; }
  Outcome sweep(const std::string& text, const Arguments& more = {}) const {
    write(text);
    return here.run(Arguments{"sweep", "c.toml"} + more);
  }
  std::vector<std::string> runs(const std::string& out) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(here / out)) {
      if (entry.is_directory()) names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void expect_refused(const std::string& text, const std::string& sentence) const {
    SCOPED_TRACE(text);
    EXPECT_THAT(sweep(text), IsWrongUsage(sentence));
    EXPECT_FALSE(here.has("sweep"));
  }

  Workplace here;
};

TEST_F(Sweep, GoesOnWhereOptionsComeFromRowsThatAreLeft) {
  // 640 rows would have batches of 64, the 576 that are trained on have 32.
  const std::string text =
      "data = 'more.h5:/embeddings'\nout = 'sweep'\nlatents = 32\nsteps = 4\nholdout = 0.1\n"
      "skip-bad-rows = true\nseed = [1, 2]\n";
  ASSERT_THAT(here.run({"synth", "more.h5", "--rows", "640", "--dim", "16", "--concepts", "30"}), Succeeds());
  ASSERT_THAT(sweep(text), Succeeds());
  EXPECT_THAT(contents(here / "sweep" / "matryoshka-seed1" / "options.toml"),
              HasSubstr("\nbatch-size = 32\n"));
  EXPECT_THAT(sweep(text), Succeeds());
  EXPECT_THAT(sweep(text + "lr = 0.5\n"), FailsSaying({"holds a run with other options: lr was"}));
}

TEST_F(Sweep, TrainsEveryCombinationThatHasASay) {
  const auto outcome = sweep(std::string(small) +
                                 "holdout = 0.1\nseed = [1, 2]\nmodel = ['matryoshka', 'topk', 'relu']\n"
                                 "k = [4, 8]\nweights = ['uniform', 'reverse']\n",
                             {"--json", "s.json"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(runs("sweep"),
              ElementsAre("matryoshka-seed1-reverse", "matryoshka-seed1-uniform", "matryoshka-seed2-reverse",
                          "matryoshka-seed2-uniform", "relu-seed1", "relu-seed2", "topk-seed1-k4",
                          "topk-seed1-k8", "topk-seed2-k4", "topk-seed2-k8"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("run 3 of 10, matryoshka-seed2-uniform: trained, 4 steps"),
                                 Not(HasSubstr("nothing to go on from"))));
  // As `msae train` and `msae pareto` would have it.
  ASSERT_THAT(here.run(train("alone", {"--latents", "32", "--steps", "4", "--holdout", "0.1", "--seed", "2",
                                       "--weights", "reverse"})),
              Succeeds());
  EXPECT_TRUE(here.weights("sweep/matryoshka-seed2-reverse") == here.weights("alone"));
  Arguments pareto{"pareto", "--data", "data.h5:/embeddings", "--holdout", "0.1", "--json", "p.json"};
  const auto told = parse(contents(here / "s.json"));
  for (const auto& run : told.at("runs")) pareto.push_back(run.at("run"));
  EXPECT_THAT(here.run(pareto), Succeeds());
  EXPECT_EQ(contents(here / "sweep" / "pareto.json"), contents(here / "p.json"));
  EXPECT_EQ(told.at("pareto"), parse(contents(here / "p.json")));
  EXPECT_THAT(contents(here / "sweep" / "pareto.html"), HasSubstr(">topk-seed1-k8 "));
  EXPECT_EQ(lines(contents(here / "sweep" / "pareto.csv")).size(), 1u + 4 * 7 + 4 * 4 + 2 * 4);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("hypervolume"), HasSubstr("topk-seed1-k8 "), HasSubstr("all together")));
}

TEST_F(Sweep, FinishedRunsAreSkippedAndAChangedFileIsRefused) {
  const std::string text = std::string(small) + "model = 'topk'\nk = [4, 8]\n";
  ASSERT_THAT(sweep(text, {"--out", "other"}), Succeeds());
  EXPECT_FALSE(here.has("sweep"));
  const auto before = here.weights("other/topk-k8");
  const auto again = sweep(text + "log-every = 2\n", {"--out", "other"});
  ASSERT_THAT(again, Succeeds());
  EXPECT_THAT(again.err, AllOf(HasSubstr("run 1 of 2, topk-k4: was finished before, 4 steps"),
                               HasSubstr("run 2 of 2, topk-k8: was finished before"),
                               HasSubstr("msae pareto other/*/ --data DATA")));
  EXPECT_THAT(sweep(text + "lr = 0.01\n", {"--out", "other"}),
              FailsSaying({"other/topk-k4: holds a run with other options: lr was 0.028 and is 0.01 now",
                           "name a new folder by --out"}));
  EXPECT_THAT(sweep(text + "unit-rows = true\n", {"--out", "other"}),
              FailsSaying({"unit-rows was unset and is true now"}));
  EXPECT_TRUE(here.weights("other/topk-k8") == before);
  // More values are more runs.
  EXPECT_THAT(sweep(std::string(small) + "model = 'topk'\nk = [4, 8, 16]\n", {"--out", "other"}), Succeeds());
  EXPECT_THAT(runs("other"), ElementsAre("topk-k16", "topk-k4", "topk-k8"));
}

TEST_F(Sweep, FlagsMayBeListsToo) {
  ASSERT_THAT(sweep(std::string(small) +
                    "model = ['relu', 'matryoshka']\nbatch-levels = [false, true]\ntied = [true]\n"),
              Succeeds());
  EXPECT_THAT(runs("sweep"), ElementsAre("matryoshka-batch-levels", "matryoshka-no-batch-levels", "relu"));
  EXPECT_THAT(contents(here / "sweep" / "relu" / "options.toml"), HasSubstr("tied = true\n"));
}

struct Stop {
  const char* name;
  int signal;
  const char* save_every;
};

class StoppedSweep : public Sweep, public testing::WithParamInterface<Stop> {
 protected:
  // The weights of a sweep that nobody stops, by run; trained once for all tests.
  const std::map<std::string, std::string>& undisturbed() const {
    static const auto all = [this] {
      std::map<std::string, std::string> found;
      EXPECT_THAT(here.run({"sweep", "c.toml", "--out", "whole", "--quiet"}), Succeeds());
      for (const auto& name : runs("whole")) found[name] = here.weights("whole/" + name);
      return found;
    }();
    return all;
  }
};

TEST_P(StoppedSweep, GoesOnToWhatItWouldHaveBeen) {
  write(
      "data = 'data.h5:/embeddings'\nlatents = 32\nbatch-size = 150\nsteps = 400\nlog-every = 5\n"
      "seed = [1, 2]\nlevels = ['4,32', '8,32']\nsave-every = '" +
      std::string(GetParam().save_every) + "'\n");
  Process process(here.path(), {"sweep", "c.toml", "--out", "parted"});
  const auto second = here / "parted" / "matryoshka-seed1-levels8,32";
  while (process.running() && lines(contents(second / "metrics.csv")).size() < 5) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  process.signal(GetParam().signal);
  const auto stopped = process.wait();
  if (GetParam().signal == SIGINT) {
    EXPECT_EQ(stopped.exit_code, 1);
    EXPECT_THAT(lines(stopped.err).back(),
                AllOf(HasSubstr("msae: interrupted in run 2 of 4, matryoshka-seed1-levels8,32, after step "),
                      HasSubstr("go on with: msae sweep c.toml --out parted")));
  } else {
    EXPECT_EQ(stopped.exit_code, -SIGKILL);
    EXPECT_FALSE(fs::exists(second / "cfg.json"));
  }
  EXPECT_FALSE(here.has("parted/matryoshka-seed2-levels4,32"));
  const auto resumed = here.run({"sweep", "c.toml", "--out", "parted"});
  ASSERT_THAT(resumed, Succeeds());
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("run 1 of 4, matryoshka-seed1-levels4,32: was finished before"),
                                 HasSubstr("run 2 of 4, matryoshka-seed1-levels8,32: trained, 400 steps")));
  ASSERT_EQ(runs("parted").size(), undisturbed().size());
  for (const auto& [name, expected] : undisturbed())
    EXPECT_TRUE(here.weights("parted/" + name) == expected) << name;
}

INSTANTIATE_TEST_SUITE_P(, StoppedSweep,
                         testing::Values(Stop{"CtrlC", SIGINT, "300"}, Stop{"Killed", SIGKILL, "20steps"},
                                         Stop{"KilledBeforeItsFirstSave", SIGKILL, "300"}),
                         [](const auto& test) { return test.param.name; });

TEST_F(Sweep, ARunThatFailsIsToldAndTheOthersGoOn) {
  const auto text =
      std::string(small) + "eval = 'data.h5:/embeddings'\nweight-decay = 0\nlr = [1e30, 0.001]\n";
  const auto outcome = sweep(text, {"--json", "s.json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("msae: run 1 of 2, matryoshka-lr1e+30 failed: training diverged"),
                                 HasSubstr("run 2 of 2, matryoshka-lr0.001: trained, 4 steps")));
  EXPECT_EQ(lines(outcome.err).back(),
            "msae: 1 of 2 runs failed: matryoshka-lr1e+30; the others are in sweep");
  const auto told = parse(contents(here / "s.json"));
  EXPECT_EQ(told.at("runs").at(0).at("finished"), false);
  EXPECT_THAT(told.at("runs").at(0).at("error").get<std::string>(), HasSubstr("diverged"));
  EXPECT_EQ(told.at("runs").at(1).at("finished"), true);
  EXPECT_EQ(told.at("pareto").at("runs").size(), 1);
  EXPECT_TRUE(here.has("sweep/pareto.html"));
}

TEST_F(Sweep, FilesThatMakeNoSenseAreRefusedByLine) {
  const std::string data = "[sweep]\ndata = 'data.h5:/embeddings'\nout = 'sweep'\n";
  expect_refused(data + "latnets = [8, 16]\n",
                 "c.toml, line 4: unknown option 'latnets'; did you mean 'latents'?");
  expect_refused("[swep]\nk = 1\n", "c.toml, line 1: unknown section 'swep'; did you mean 'sweep'?");
  expect_refused("[train]\nk = 1\n",
                 "c.toml, line 1: the options of a sweep stand below [sweep], not [train]");
  expect_refused(data + "k = [8, 'many']\nmodel = 'topk'\n",
                 "c.toml, line 4: --k: must be a whole number below 2^63, not 'many'");
  expect_refused(data + "model = ['topk', 'softmax']\n", "c.toml, line 4: --model: softmax not in");
  expect_refused(data + "seed = []\n", "line 4: 'seed' is an empty list");
  expect_refused(data + "seed = [true]\n", "line 4: 'seed' takes a value, not true");
  expect_refused(data + "seed = [1, 2, 1]\n", "line 4: 'seed' has 1 twice");
  expect_refused(data + "eval = ''\n", "line 4: 'eval' must not be empty");
  expect_refused(data + "steps = 1\nepochs = [1, 2]\n", "line 5: 'epochs' and 'steps' exclude each other");
  expect_refused("data = ['a.h5', 'b.h5']\n", "line 1: 'data' takes one value, which is that of all runs");
  expect_refused("out = 'sweep'\n", "c.toml: lacks data = \"FILE:/PATH\"");
}

TEST_F(Sweep, ValuesThatCannotBeAreRefusedBeforeTheFirstRun) {
  const auto expect_failure = [&](const std::string& text, const std::vector<std::string>& words) {
    SCOPED_TRACE(text);
    EXPECT_THAT(sweep(std::string(small) + text), FailsSaying(words));
    EXPECT_FALSE(here.has("sweep"));
  };
  expect_failure("model = 'topk'\nk = [8, 33]\n", {"c.toml, run topk-k33: --k: must be", "33"});
  expect_failure("lr = [0.001, -1]\n", {"c.toml, run matryoshka-lr-1: --lr: must be positive"});
  expect_failure("model = ['relu', 'matryoshka']\nk = [4, 8]\n",
                 {"--k: is for topk", "not for --model relu"});
  expect_failure("eval = 'data.h5:/truth/directions'\n", {"data.h5"});
  EXPECT_THAT(sweep("data = 'data.h5:/embeddings'\n"), FailsSaying({"--out: must name a folder", "c.toml"}));
  EXPECT_THAT(here.run({"sweep", "none.toml"}), FailsSaying({"none.toml: cannot be opened"}));
  EXPECT_THAT(sweep(small, {"--out", "data.h5"}),
              FailsSaying({"--out: data.h5/pareto.html cannot be written: there is no folder data.h5"}));
  fs::create_directory(here / "other");
  std::ofstream(here / "other" / "pareto.csv") << "not ours";
  EXPECT_THAT(sweep(small, {"--out", "other"}), FailsSaying({"other/pareto.csv holds something else"}));
}

}  // namespace
}  // namespace msae::test
