// What else than the table of bad input the program says about options that make no sense, and about places
// it cannot write to.
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
  void expect_eval_refused(const Arguments& options, const std::vector<std::string>& words) const {
    const auto before = here.names();
    EXPECT_THAT(here.run(Arguments{"eval", "run", "--data", "data.h5:/embeddings"} + options),
                FailsSaying(words));
    EXPECT_EQ(here.names(), before);
  }

  Workplace here;
};

TEST_F(BadOptions, HaveNoSayInTheModel) {
  expect_refused({"--k", "8"},
                 {"--k: is for topk, batch-topk and prefix-matryoshka, not for --model matryoshka"});
  expect_refused({"--l1", "0.1"}, {"--l1: ", "not for --model matryoshka"});
  expect_refused({"--model", "relu", "--levels", "2,4"}, {"--levels: is for matryoshka"});
  expect_refused({"--model", "topk", "--weights", "reverse"}, {"--weights: is for matryoshka"});
  expect_refused({"--preset", "reference", "--warmup", "0.1"}, {"--warmup: the published schedule has none"});
}

TEST_F(BadOptions, ProductsAreNotTheDevices) {
  for (const auto* engine : {"auto", "autograd", "fused"}) {
    expect_refused({"--device", "cpu", "--precision", "tf32", "--engine", engine},
                   {"--precision: tf32 products are for CUDA devices"});
  }
  EXPECT_THAT(here.run(train("new", {"--precision", "tf16"})), IsWrongUsage("--precision"));
  expect_refused({"--dense-level", "-1"}, {"fused.dense: must be a share, or above 1 for never, not -1"});
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

TEST_F(BadOptions, CknnaHasTooFewRows) {
  for (const auto* rows : {"-1", "1", "10"})
    expect_eval_refused({"--cknna", rows}, {"--cknna: must be 0 or at least 11, not " + std::string(rows)});
  EXPECT_THAT(here.run({"eval", "run", "--data", "data.h5:/embeddings", "--cknna", "1e3"}),
              IsWrongUsage("--cknna"));
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
  EXPECT_THAT(here.run({"synth", "new.h5", "--rows", "50", "--json", "./new.h5"}),
              FailsSaying({"--json: ./new.h5 is the file of OUT"}));
  EXPECT_FALSE(std::filesystem::exists(here / "new.h5"));
  // What the work itself has made: found as late as this, with nothing lost.
  const auto late = here.run(train("new", {"--json", "new/cfg.json"}));
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_THAT(late.err, testing::HasSubstr("--json: new/cfg.json holds something else than results"));
  EXPECT_THAT(here.run({"info", "new"}), Succeeds());
  EXPECT_EQ(contents(here / "data.h5"), data);
  EXPECT_EQ(contents(here / "run" / "cfg.json"), config);
  EXPECT_THAT(here.run({"info", "run", "--json", "results.json"}), Succeeds());
  EXPECT_THAT(here.run({"info", "run", "--json", "results.json"}), Succeeds());
}

TEST_F(BadOptions, OptionsFileHoldsAnUnknownOption) {
  std::ofstream(here / "options.toml") << "[train]\nlatnets = 64\n";
  EXPECT_THAT(here.run(train("new", {"--config", "options.toml"})), IsWrongUsage("latnets"));
  EXPECT_FALSE(here.has("new"));
}

}  // namespace
}  // namespace msae::test
