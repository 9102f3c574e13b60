// What a training run leaves in its folder, and how it is repeated.
#include <fstream>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> columns(const std::string& line) {
  std::vector<std::string> found(1);
  for (const char c : line) {
    if (c == ',') {
      found.emplace_back();
    } else {
      found.back() += c;
    }
  }
  return found;
}

TEST(RunFolder, HoldsModelOptionsMetricsAndState) {
  const Workplace here;
  std::vector<std::string> names;
  for (const auto& name : here.names()) {
    if (name.rfind("run/", 0) == 0 && name != "run/state/lock") names.push_back(name);
  }
  EXPECT_THAT(names, ElementsAre("run/cfg.json", "run/metrics.csv", "run/options.toml",
                                 "run/sae_weights.safetensors", "run/state", "run/state/state.safetensors"));
}

TEST(RunFolder, ConfigDescribesTheModelInTheLayoutOfSaeLens) {
  const Workplace here;
  const auto config = parse(contents(here / "run" / "cfg.json"));
  EXPECT_EQ(config.at("architecture"), "topk");
  EXPECT_EQ(config.at("d_in"), 16);
  EXPECT_EQ(config.at("d_sae"), 64);
  EXPECT_EQ(config.at("k"), 8);
  EXPECT_EQ(config.at("rescale_acts_by_decoder_norm"), false);
  EXPECT_TRUE(config.at("msae").contains("format_version"));
}

TEST(RunFolder, MetricsHaveARowForEachLoggedStep) {
  const Workplace here;
  const auto rows = lines(contents(here / "run" / "metrics.csv"));
  ASSERT_EQ(rows.size(), 21);
  EXPECT_EQ(rows[0], "step,epoch,rows_seen,lr,loss,fvu,active,dead,seconds,rows_per_second");
  for (std::size_t step = 1; step <= 20; ++step) {
    const auto cells = columns(rows[step]);
    ASSERT_THAT(cells, AllOf(SizeIs(10), Each(testing::Not(IsEmpty()))));
    EXPECT_EQ(cells[0], std::to_string(step));
    EXPECT_EQ(cells[1], std::to_string((step - 1) / 3));
    EXPECT_EQ(cells[2], std::to_string(200 * step));
  }
  ASSERT_THAT(here.run(train("new", {"--log-every", "8"})), Succeeds());
  const auto fewer = lines(contents(here / "new" / "metrics.csv"));
  ASSERT_EQ(fewer.size(), 4);
  EXPECT_EQ(columns(fewer[1])[0], "8");
  EXPECT_EQ(columns(fewer[3])[0], "20");
}

TEST(RunFolder, OptionsRepeatTheRunBitForBit) {
  const Workplace here;
  const std::vector<Arguments> runs = {
      {"--threads", "1"},
      {"--threads", "2"},
      {"--model", "relu", "--l1", "0.1", "--seed", "7", "--loss", "mse"},
      {"--model", "batch-topk", "--k", "5", "--preset", "reference", "--epochs", "4"},
      {"--levels", "4,16", "--weights", "2,0.3", "--schedule", "cosine", "--clip", "0.5"},
      {"--eval", "data.h5:/embeddings", "--warmup", "0.3", "--decay", "0.7", "--beta1", "0.8", "--beta2",
       "0.99", "--weight-decay", "0.01"},
      {"--model", "jump-relu", "--l0", "0"},
  };
  for (const auto& options : runs) {
    const Workplace there;
    ASSERT_THAT(there.run(train("first", options)), Succeeds());
    ASSERT_THAT(there.run({"train", "--config", "first/options.toml", "--out", "second"}), Succeeds());
    EXPECT_TRUE(there.weights("first") == there.weights("second")) << testing::PrintToString(options);
    EXPECT_FALSE(there.weights("first") == here.weights("run") && options.size() > 2);
  }
}

TEST(RunFolder, OptionsRepeatTheRunFromAnotherFolder) {
  const Workplace here;
  ASSERT_THAT(here.run(train("first", {"--eval", "data.h5:/embeddings"})), Succeeds());
  const auto elsewhere = here / "elsewhere";
  std::filesystem::create_directory(elsewhere);
  ASSERT_THAT(run(elsewhere, {"train", "--config", "../first/options.toml", "--out", "second"}), Succeeds());
  EXPECT_TRUE(here.weights("first") == here.weights("elsewhere/second"));
  EXPECT_THAT(run(elsewhere, {"train", "--out", "../first", "--resume"}), Succeeds());
  // ".." after a link is the folder above what it leads to.
  const Workplace there;
  std::filesystem::create_directory_symlink(elsewhere, there / "link");
  std::filesystem::remove(there / "data.h5");
  ASSERT_THAT(there.run({"train", "--config", "run/options.toml", "--out", "new", "--data",
                         "link/../data.h5:/embeddings"}),
              Succeeds());
  EXPECT_THAT(there.run({"train", "--config", "new/options.toml", "--out", "newer"}), Succeeds());
}

TEST(RunFolder, TheCommandLineWinsOverTheOptionsFile) {
  const Workplace here;
  ASSERT_THAT(here.run({"train", "--config", "run/options.toml", "--out", "new", "--seed", "7", "--latents",
                        "32", "--levels", "8,32"}),
              Succeeds());
  const auto info = parse(here.run({"info", "new", "--json", "-"}).out);
  EXPECT_EQ(info.at("latents"), 32);
  EXPECT_EQ(info.at("levels"), nlohmann::json({8, 32}));
  EXPECT_THAT(contents(here / "new" / "options.toml"), HasSubstr("seed = 7\n"));
}

TEST(RunFolder, AnotherLengthWinsOverThatOfTheOptionsFile) {
  const Workplace here;
  ASSERT_THAT(here.run({"train", "--config", "run/options.toml", "--out", "new", "--epochs", "2"}),
              Succeeds());
  EXPECT_EQ(parse(here.run({"info", "new", "--json", "-"}).out).at("saved_step"), 6);
  ASSERT_THAT(here.run({"train", "--config", "new/options.toml", "--out", "newer", "--steps", "5"}),
              Succeeds());
  EXPECT_EQ(parse(here.run({"info", "newer", "--json", "-"}).out).at("saved_step"), 5);
  EXPECT_THAT(here.run({"train", "--config", "run/options.toml", "--out", "wider", "--expansion", "2",
                        "--levels", "auto"}),
              Succeeds());
  EXPECT_EQ(parse(here.run({"info", "wider", "--json", "-"}).out).at("latents"), 32);
}

TEST(RunFolder, NamesWithQuotesAndSpacesComeBackFromTheOptions) {
  const Workplace here;
  const std::string name = "my \\ \"own\" data.h5";
  std::filesystem::rename(here / "data.h5", here / name);
  auto call = train("a run");
  call[1] = name + ":/embeddings";
  ASSERT_THAT(here.run(call), Succeeds());
  ASSERT_THAT(here.run({"train", "--config", "a run/options.toml", "--out", "again"}), Succeeds());
  EXPECT_TRUE(here.weights("a run") == here.weights("again"));
}

TEST(RunFolder, AnEmptyFolderThatIsThereWillDo) {
  const Workplace here;
  std::filesystem::create_directory(here / "new");
  EXPECT_THAT(here.run(train("new")), Succeeds());
}

// As big as it gets on a full disk, which this stands for.
constexpr std::size_t small_file = 6000;

TEST(RunFolder, AFullDiskIsSaidAndLeavesOldFilesWhole) {
  const Workplace here;
  const auto before = here.weights("run");
  const auto state = contents(here / "run" / "state" / "state.safetensors");
  EXPECT_THAT(here.run({"eval", "run", "--data", "data.h5:/embeddings", "--json", "-"}, small_file),
              Succeeds());
  const auto outcome = here.run(train("new"), small_file);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  ASSERT_THAT(lines(outcome.err), testing::Not(IsEmpty()));
  EXPECT_THAT(lines(outcome.err).back(),
              AllOf(testing::StartsWith("msae: new/"), HasSubstr("File too large")));
  EXPECT_FALSE(here.has("new/sae_weights.safetensors"));
  for (const auto& name : here.names()) EXPECT_THAT(name, testing::Not(HasSubstr(".tmp")));
  // Resuming a finished run writes the model anew.
  EXPECT_EQ(here.run({"train", "--out", "run", "--resume"}, small_file).exit_code, 1);
  EXPECT_TRUE(here.weights("run") == before);
  EXPECT_TRUE(contents(here / "run" / "state" / "state.safetensors") == state);
  EXPECT_THAT(here.run({"synth", "data.h5", "--force"}, small_file),
              FailsSaying({"data.h5: cannot be written"}));
  EXPECT_THAT(here.run({"eval", "run", "--data", "data.h5:/embeddings"}), Succeeds());
}

}  // namespace
}  // namespace msae::test
