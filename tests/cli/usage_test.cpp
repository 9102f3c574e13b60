// What was typed is no call of the program, or a call for help.
#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::AllOfArray;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class Usage : public testing::Test {
 protected:
  Outcome run(const Arguments& arguments) const { return test::run(here.path(), arguments); }
  void expect_help(const Arguments& arguments, const std::vector<std::string>& words) const {
    const auto help = run(arguments);
    ASSERT_THAT(help, Succeeds());
    EXPECT_THAT(help.err, IsEmpty());
    for (const auto& word : words) EXPECT_THAT(help.out, HasSubstr(word));
  }

  TempDir here;
};

TEST_F(Usage, WrongUsageExitsWith2) {
  EXPECT_THAT(run({}), IsWrongUsage("subcommand"));
  EXPECT_THAT(run({"trian"}), IsWrongUsage("subcommand"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--learning-rate", "1"}),
              IsWrongUsage("--learning-rate"));
  EXPECT_THAT(run({"train", "data.h5"}), IsWrongUsage("--out"));
  EXPECT_THAT(run({"train", "--out", "new"}), IsWrongUsage("--data"));
  EXPECT_THAT(run({"train", "data.h5", "--out"}), IsWrongUsage("--out"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--model", "softmax"}), IsWrongUsage("--model"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--preset", "fast"}), IsWrongUsage("--preset"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--k", "many"}), IsWrongUsage("--k"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--lr", "fast"}), IsWrongUsage("--lr"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--threads", "0"}), IsWrongUsage("--threads"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--config", "none.toml"}), IsWrongUsage("none.toml"));
  EXPECT_THAT(run({"train", "a.h5", "b.h5", "--out", "new"}), IsWrongUsage("b.h5"));
  EXPECT_THAT(run({"eval", "--data", "data.h5"}), IsWrongUsage("RUN"));
  EXPECT_THAT(run({"eval", "run"}), IsWrongUsage("--data"));
  EXPECT_THAT(run({"info"}), IsWrongUsage("PATH"));
  EXPECT_THAT(run({"synth"}), IsWrongUsage("OUT"));
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

TEST_F(Usage, OptionsThatExcludeEachOther) {
  EXPECT_THAT(run({"eval", "run", "--data", "data.h5", "--quiet", "--verbose"}), IsWrongUsage("--quiet"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--steps", "5", "--epochs", "2"}),
              IsWrongUsage("--steps"));
  EXPECT_THAT(run({"train", "data.h5", "--out", "new", "--latents", "64", "--expansion", "2"}),
              IsWrongUsage("--latents"));
}

TEST_F(Usage, HelpOfTheProgramNamesTheSubcommands) {
  expect_help({"--help"}, {"train", "eval", "info", "synth", "--config", "--version", "Exit codes"});
}

TEST_F(Usage, HelpOfEverySubcommandNamesEveryOption) {
  const Arguments common{"--json", "--quiet", "--verbose", "--threads"};
  expect_help({"train", "--help"},
              common + Arguments{"DATA",      "--out",        "--eval",         "--resume",   "--preset",
                                 "--model",   "relu",         "topk",           "batch-topk", "matryoshka",
                                 "--latents", "--k",          "--expansion",    "--levels",   "--weights",
                                 "uniform",   "reverse",      "--epochs",       "--steps",    "--batch-size",
                                 "--lr",      "--schedule",   "--warmup",       "--decay",    "--loss",
                                 "--l1",      "--clip",       "--weight-decay", "--engine",   "--seed",
                                 "--device",  "--save-every", "500steps",       "--log-every"});
  expect_help({"eval", "--help"}, common + Arguments{"RUN", "--data", "--k", "--truth", "--centred",
                                                     "--batch-size", "--device", "FVU"});
  expect_help({"info", "--help"}, common + Arguments{"PATH"});
  expect_help({"synth", "--help"},
              common + Arguments{"OUT", "--rows", "--dim", "--concepts", "--depth", "--branching", "--active",
                                 "--zipf", "--parent-cosine", "--mean-norm", "--noise", "--seed", "--force"});
}

TEST_F(Usage, VersionIsSaid) {
  const auto outcome = run({"--version"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, MatchesRegex("msae [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace msae::test
