// What the program says about options that make no sense, and about places it cannot write to.
#include <fstream>

#include "cli/program.h"

namespace msae::test {
namespace {

class BadOptions : public testing::Test {
 protected:
  // A training with `options` fails at once, with `words`, and leaves nothing.
  void expect_refused(const Arguments& options, const std::vector<std::string>& words) const {
    const auto before = here.names();
    EXPECT_THAT(here.run(train("new", options)), FailsSaying(words));
    EXPECT_EQ(here.names(), before);
  }
  void expect_out_refused(const std::string& out, const std::vector<std::string>& words) const {
    const auto before = here.names();
    EXPECT_THAT(here.run(train(out)), FailsSaying(words));
    EXPECT_EQ(here.names(), before);
  }
  void expect_eval_refused(const Arguments& options, const std::vector<std::string>& words) const {
    const auto before = here.names();
    EXPECT_THAT(here.run(Arguments{"eval", "run", "--data", "data.h5:/embeddings"} + options),
                FailsSaying(words));
    EXPECT_EQ(here.names(), before);
  }

  Workplace here;
};

TEST_F(BadOptions, KIsImpossible) {
  expect_refused({"--model", "topk", "--k", "0"}, {"--k: ", "from 1 to the number of latents, 64, not 0"});
  expect_refused({"--model", "topk", "--k", "65"}, {"--k: ", "64, not 65"});
  expect_refused({"--model", "batch-topk", "--k", "-1"}, {"--k: ", "not -1"});
  expect_eval_refused({"--k", "0"}, {"--k: ", "at least 1, not 0"});
  expect_eval_refused({"--k", "8,65"}, {"--k: ", "65 is more than the model's 64 latents"});
  expect_eval_refused({"--k", "8;16"}, {"--k: '8;16' is not a list of numbers like"});
}

TEST_F(BadOptions, LevelsAreImpossible) {
  expect_refused({"--levels", "16,8"}, {"--levels: must ascend", "8 follows 16"});
  expect_refused({"--levels", "8,8"}, {"--levels: must ascend", "8 follows 8"});
  expect_refused({"--levels", "0,8"}, {"--levels: must ascend", "0 is the first"});
  expect_refused({"--levels", "8,65"}, {"--levels: 65 is more than the number of latents, 64"});
  expect_refused({"--levels", "8,x"}, {"--levels: '8,x' is not a list of numbers like"});
  expect_refused({"--levels", "8,"}, {"--levels: '8,' is not a list"});
  expect_refused({"--levels", "8.5"}, {"--levels: '8.5' is not a list"});
}

TEST_F(BadOptions, WeightsAreImpossible) {
  const auto with = [](const std::string& weights) {
    return Arguments{"--levels", "8,16,64", "--weights", weights};
  };
  expect_refused(with("1,2"), {"--weights: one is needed for each of the 3 levels, not 2"});
  expect_refused(with("1,2,-3"), {"--weights: ", "not negative"});
  expect_refused(with("1,nan,3"), {"--weights: ", "finite"});
  expect_refused(with("0,0,0"), {"--weights: at least one must be positive"});
  expect_refused(with("reversed"), {"--weights: 'reversed' is not a list"});
}

TEST_F(BadOptions, LatentsAreImpossible) {
  expect_refused({"--latents", "0"}, {"--latents: must be at least 1, not 0"});
  expect_refused({"--latents", "-64"}, {"--latents: must be at least 1, not -64"});
  for (const auto* model : {"relu", "matryoshka"}) {
    expect_refused({"--latents", "1000000000000", "--model", model},
                   {"1000000000000 latents", "128.0 TB of memory"});
  }
}

TEST_F(BadOptions, SizesAreBeyondAllMemory) {
  const auto train_with = [&](const std::string& expansion) {
    return here.run({"train", "data.h5:/embeddings", "--out", "new", "--expansion", expansion, "--steps", "1",
                     "--batch-size", "200"});
  };
  EXPECT_THAT(train_with("0"), FailsSaying({"--expansion: must be from 1"}));
  EXPECT_THAT(train_with("1000000000000"), FailsSaying({"--expansion: must be from 1"}));
  EXPECT_THAT(here.run({"synth", "new.h5", "--rows", "1000000000000"}),
              FailsSaying({"rows is 1000000000000; it must be at most"}));
  EXPECT_FALSE(here.has("new.h5"));
}

TEST_F(BadOptions, BatchIsImpossible) {
  expect_refused({"--batch-size", "601"},
                 {"--batch-size: 601 is more than the 600 rows of data.h5:/embeddings"});
  expect_refused({"--batch-size", "0"}, {"--batch-size: must be at least 1, not 0"});
  expect_eval_refused({"--batch-size", "0"}, {"--batch-size: must be at least 1, not 0"});
}

TEST_F(BadOptions, TrainingIsImpossible) {
  expect_refused({"--lr", "0"}, {"--lr: must be positive and finite in float32, not 0"});
  expect_refused({"--lr", "-0.1"}, {"--lr: must be positive and finite in float32, not -0.1"});
  expect_refused({"--lr", "nan"}, {"--lr: must be positive and finite in float32, not nan"});
  expect_refused({"--epochs", "0"}, {"--epochs: must be at least 1, not 0"});
  expect_refused({"--steps", "-1"}, {"--steps: must be at least 1", "not -1"});
  expect_refused({"--warmup", "1.5"}, {"--warmup: must be from 0 to 1, not 1.5"});
  expect_refused({"--weight-decay", "-1"}, {"--weight-decay: "});
  expect_refused({"--schedule", "published"}, {"--schedule: ", "--preset reference"});
}

TEST_F(BadOptions, HaveNoSayInTheModel) {
  expect_refused({"--k", "8"}, {"--k: is for topk and batch-topk, not for --model matryoshka"});
  expect_refused({"--l1", "0.1"}, {"--l1: ", "not for --model matryoshka"});
  expect_refused({"--model", "relu", "--levels", "2,4"}, {"--levels: is for matryoshka"});
  expect_refused({"--model", "topk", "--weights", "reverse"}, {"--weights: is for matryoshka"});
  expect_refused({"--preset", "reference", "--warmup", "0.1"}, {"--warmup: the published schedule has none"});
}

TEST_F(BadOptions, SaveEveryIsNonsense) {
  for (const auto* text : {"soon", "-5", "steps", "99999999999"}) {
    expect_refused({"--save-every", text},
                   {"--save-every: '" + std::string(text) + "'", "seconds like 300", "steps like 500steps"});
  }
}

TEST_F(BadOptions, DeviceIsUnknown) {
  expect_refused({"--device", "gpu"}, {"--device: 'gpu' is none of auto, cpu, cuda, cuda:N"});
  expect_refused({"--device", "cuda:99"}, {"device cuda:99"});
  expect_eval_refused({"--device", "tpu"}, {"--device: 'tpu'"});
}

TEST_F(BadOptions, RunCannotBeWritten) {
  expect_out_refused("data.h5/new", {"data.h5/new: cannot be written"});
  expect_out_refused("data.h5", {"data.h5: is a file"});
  expect_out_refused("/proc/new", {"/proc/new: cannot be written"});
  expect_out_refused("", {"--out: "});
}

TEST_F(BadOptions, FolderIsNotEmpty) {
  expect_out_refused("run", {"run: is not empty", "--resume"});
}

TEST_F(BadOptions, JsonCannotBeWritten) {
  // Found before the work whose result would be lost.
  expect_refused({"--json", "none/result.json"}, {"--json: none/result.json cannot be written"});
  expect_refused({"--json", "run"}, {"--json: run cannot be written"});
  expect_eval_refused({"--json", "none/result.json"}, {"--json: none/result.json cannot be written"});
  EXPECT_THAT(here.run({"synth", "new.h5", "--json", "data.h5/new"}), FailsSaying({"--json: data.h5/new"}));
  EXPECT_FALSE(here.has("new.h5"));
}

TEST_F(BadOptions, JsonWouldReplaceSomethingElse) {
  const auto data = contents(here / "data.h5");
  const auto config = contents(here / "run" / "cfg.json");
  for (const auto* file : {"data.h5", "run/cfg.json", "run/sae_weights.safetensors", "run/options.toml"}) {
    EXPECT_THAT(here.run({"info", "run", "--json", file}),
                FailsSaying({file, "something else than results"}));
  }
  // The file to be written itself: found as late as this.
  const auto both = here.run({"synth", "new.h5", "--rows", "50", "--json", "new.h5"});
  EXPECT_EQ(both.exit_code, 1);
  EXPECT_THAT(both.err, testing::HasSubstr("--json: new.h5 holds something else than results"));
  EXPECT_THAT(here.run({"info", "new.h5:/embeddings"}), Succeeds());
  EXPECT_EQ(contents(here / "data.h5"), data);
  EXPECT_EQ(contents(here / "run" / "cfg.json"), config);
  EXPECT_THAT(here.run({"info", "run", "--json", "results.json"}), Succeeds());
  EXPECT_THAT(here.run({"info", "run", "--json", "results.json"}), Succeeds());
}

TEST_F(BadOptions, NumbersAreTooLarge) {
  expect_refused({"--lr", "1e99"}, {"--lr: must be positive and finite in float32, not 1e+99"});
  expect_refused({"--levels", "2,4", "--weights", "1e308,1e308"}, {"--weights: their sum is too large"});
  for (const auto* seed : {"-1", "18446744073709551616", "1.5"}) {
    EXPECT_THAT(here.run(train("new", {"--seed", seed})), IsWrongUsage("must be a whole number"));
  }
}

TEST_F(BadOptions, SynthIsImpossible) {
  const auto refused = [&](const Arguments& options, const std::vector<std::string>& words) {
    EXPECT_THAT(here.run(Arguments{"synth", "new.h5"} + options), FailsSaying(words));
    EXPECT_FALSE(here.has("new.h5"));
  };
  refused({"--rows", "0"}, {"rows is 0; it must be at least 1"});
  refused({"--noise", "3"}, {"noise is 3"});
  refused({"--concepts", "20"}, {"active is 12", "20 concepts"});
  EXPECT_THAT(here.run({"synth", ""}), FailsSaying({"OUT: must name a file"}));
  std::filesystem::create_symlink("loop", here / "loop");
  EXPECT_THAT(here.run({"synth", "loop"}), FailsSaying({"loop: Too many levels of symbolic links"}));
  EXPECT_THAT(here.run({"synth", "none/new.h5"}), FailsSaying({"none/new.h5: cannot be written"}));
}

TEST_F(BadOptions, OptionsFileHoldsAnUnknownOption) {
  std::ofstream(here / "options.toml") << "[train]\nlatnets = 64\n";
  EXPECT_THAT(here.run(train("new", {"--config", "options.toml"})), IsWrongUsage("latnets"));
  EXPECT_FALSE(here.has("new"));
}

}  // namespace
}  // namespace msae::test
