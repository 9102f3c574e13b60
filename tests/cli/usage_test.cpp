// What was typed is no call of the program, or a call for help.
#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

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
  EXPECT_THAT(run({"info", "run", "--threads", "1", "--threads", "2"}),
              IsWrongUsage("msae: --threads is given more than once\n"));
  EXPECT_THAT(run({"train", "a.h5", "b.h5", "--out", "new"}), IsWrongUsage("b.h5"));
  EXPECT_THAT(run({"eval", "--data", "data.h5"}), IsWrongUsage("RUN"));
  EXPECT_THAT(run({"eval", "run"}), IsWrongUsage("--data"));
  EXPECT_THAT(run({"eval", "run", "data.h5:/rows"}), IsWrongUsage("as in --data clip.h5:/test"));
  EXPECT_THAT(run({"train", "--resume"}), IsWrongUsage("--resume needs --out RUN"));
  EXPECT_THAT(run({"pareto", "run"}), IsWrongUsage("as in --data clip.h5:/test"));
  EXPECT_THAT(run({"sweep"}), IsWrongUsage("CONFIG"));
  EXPECT_THAT(run({"convert", "--to", "reference"}), IsWrongUsage("IN"));
  EXPECT_THAT(run({"info"}), IsWrongUsage("PATH"));
  EXPECT_THAT(run({"synth"}), IsWrongUsage("OUT"));
  EXPECT_THAT(run({"bench", "--engine", "fast"}), IsWrongUsage("--engine: fast not in {fused,autograd}"));
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

TEST_F(Usage, WhatWasProbablyMeantIsSaid) {
  EXPECT_THAT(run({"trian"}), IsWrongUsage("msae: unknown subcommand 'trian'; did you mean 'train'?\n"));
  EXPECT_THAT(run({"frobnicate"}), IsWrongUsage("msae: unknown subcommand 'frobnicate'\n"));
  const auto train = [&](const std::string& option) {
    return run({"train", "a.h5", "--out", "new", option});
  };
  for (const auto& [typed, meant] :
       std::vector<std::pair<std::string, std::string>>{{"--epoch", "--epochs"},
                                                        {"--batchsize", "--batch-size"},
                                                        {"--batch_size=5", "--batch-size"},
                                                        {"--learning-rate", "--lr"},
                                                        {"--output", "--out"},
                                                        {"--hidden", "--latents"},
                                                        {"--dict-size", "--latents"}}) {
    EXPECT_THAT(train(typed), IsWrongUsage("; did you mean '" + meant + "'?\n"));
  }
  EXPECT_THAT(train("---"), IsWrongUsage("---"));
  EXPECT_THAT(train("--frobnicate"), IsWrongUsage("msae: unknown option '--frobnicate'\n"));
  // Also where something else is missing, or its value is taken for another argument.
  EXPECT_THAT(run({"eval", "--dat", "data.h5"}), IsWrongUsage("did you mean '--data'?"));
}

TEST_F(Usage, AWordFromOtherProgramsIsAnswered) {
  EXPECT_THAT(run({"help"}), IsWrongUsage("unknown subcommand 'help'; did you mean '--help'?"));
  EXPECT_THAT(run({"version"}), IsWrongUsage("did you mean '--version'?"));
  EXPECT_THAT(run({"encode", "run", "data.h5", "--out", "l.h5"}),
              IsWrongUsage("'data.h5' is one argument too many; did you mean '--data'?"));
}

TEST_F(Usage, AValueThatIsEmptyIsNoneThatIsLeftOut) {
  const auto eval = [&](const Arguments& more) {
    return run(Arguments{"eval", "run", "--data", "a.h5"} + more);
  };
  EXPECT_THAT(eval({"--k", ""}), FailsSaying({"--k: must not be empty"}));
  EXPECT_THAT(eval({"--truth", ""}), FailsSaying({"--truth: must name a file"}));
  EXPECT_THAT(eval({"--json", ""}), FailsSaying({"--json: must name a file"}));
  EXPECT_THAT(run({"eval", "", "--data", "a.h5"}), FailsSaying({"RUN: must name a folder"}));
  EXPECT_THAT(run({"encode", "run", "--data", "a.h5", "--out", "l.h5", "--labels", ""}),
              FailsSaying({"--labels: must name a file"}));
  EXPECT_THAT(run({"train", "a.h5", "--out", "new", "--eval", ""}),
              FailsSaying({"--eval: must not be empty"}));
  EXPECT_THAT(run({"info", ""}), FailsSaying({"PATH: must not be empty"}));
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

TEST_F(Usage, NumbersThatAreNoneAreSaidByName) {
  const std::vector<std::string> no_integers = {"9e99", "99999999999999999999", "1.5", "nan", "inf", ""};
  for (const auto& text : no_integers) {
    EXPECT_THAT(run({"train", "a.h5", "--out", "new", "--steps", text}),
                IsWrongUsage("--steps: must be a whole number below 2^63, not '" + text + "'"));
  }
  for (const std::string option :
       {"--latents", "--expansion", "--k", "--epochs", "--batch-size", "--log-every"}) {
    EXPECT_THAT(run({"train", "a.h5", "--out", "new", option, "9223372036854775808"}),
                IsWrongUsage(option + ": must be a whole number below 2^63, not '9223372036854775808'"));
  }
  for (const std::string option :
       {"--lr", "--warmup", "--decay", "--l1", "--clip", "--beta2", "--weight-decay"}) {
    EXPECT_THAT(
        run({"train", "a.h5", "--out", "new", option, "1e999"}),
        IsWrongUsage(option + ": must be a number like 0.001 that double precision can hold, not '1e999'"));
  }
  for (const std::string option : {"--rows", "--dim", "--concepts", "--depth", "--branching"}) {
    EXPECT_THAT(run({"synth", "new.h5", option, "9e99"}), IsWrongUsage(option + ": must be a whole number"));
  }
  for (const std::string option : {"--active", "--zipf", "--parent-cosine", "--mean-norm", "--noise"}) {
    EXPECT_THAT(run({"synth", "new.h5", option, ""}), IsWrongUsage(option + ": must be a number"));
    EXPECT_THAT(run({"synth", "new.h5", option, "nan"}), FailsSaying({option + ": must be ", "not nan"}));
    EXPECT_THAT(run({"synth", "new.h5", option, "inf"}), FailsSaying({option + ": must be ", "not inf"}));
  }
  EXPECT_THAT(run({"eval", "run", "--data", "a.h5", "--batch-size", "1e3"}),
              IsWrongUsage("--batch-size: must be a whole number"));
  EXPECT_THAT(run({"info", "a.h5", "--threads", "9e99"}),
              IsWrongUsage("--threads: must be a whole number from 1 to 4096, not '9e99'"));
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
  expect_help({"--help"},
              {"train", "sweep", "eval", "pareto", "convert", "info", "synth", "bench", "completion", "name",
               "tree", "search", "steer", "bias", "report", "--config", "--version", "Exit codes"});
}

TEST_F(Usage, HelpOfEverySubcommandNamesEveryOption) {
  const Arguments common{"--json", "--quiet", "--verbose", "--threads", "--config", "\n  msae "};
  expect_help({"train", "--help"},
              common + Arguments{"DATA",       "--out",      "--eval",      "--resume",     "--preset",
                                 "--model",    "relu",       "topk",        "batch-topk",   "matryoshka",
                                 "--latents",  "--k",        "--expansion", "--levels",     "--weights",
                                 "uniform",    "reverse",    "--epochs",    "--steps",      "--batch-size",
                                 "--lr",       "--schedule", "--warmup",    "--decay",      "--loss",
                                 "--l1",       "--clip",     "--beta1",     "--beta2",      "--weight-decay",
                                 "--engine",   "--seed",     "--device",    "--save-every", "500steps",
                                 "--log-every"});
  expect_help(
      {"eval", "--help"},
      common + Arguments{"RUN", "--data", "--k", "--truth", "--centred", "--batch-size", "--device", "FVU",
                         "--cknna", "--activity", "--monosemanticity", "--codes", "pursuit", "--candidates"});
  expect_help({"pareto", "--help"},
              common + Arguments{"RUN", "--data", "--k", "8,16,32,64,128,256,512", "--out", "--csv",
                                 "--unit-rows", "--holdout", "--skip-bad-rows", "--centred", "--device",
                                 "hypervolume", "on_frontier", "--codes", "--candidates"});
  expect_help({"encode", "--help"}, common + Arguments{"RUN", "--data", "--out", "--k", "--level", "--all",
                                                       "--codes", "refit", "--candidates", "--labels"});
  expect_help({"sweep", "--help"},
              common + Arguments{"CONFIG", "--out", "--device", "[sweep]", "weights = [", "pareto.html"});
  expect_help({"convert", "--help"}, common + Arguments{"IN", "OUT", "--to", "sae-lens", "reference",
                                                        "safetensors", "--as", "--force"});
  expect_help({"info", "--help"}, common + Arguments{"PATH"});
  expect_help({"synth", "--help"},
              common + Arguments{"OUT", "--rows", "--dim", "--concepts", "--depth", "--branching", "--active",
                                 "--zipf", "--parent-cosine", "--mean-norm", "--noise", "--seed", "--force"});
  expect_help({"bench", "--help"},
              common + Arguments{"--model", "--rows", "--dim", "--latents", "--expansion", "--k", "--levels",
                                 "64,128,...", "--weights", "--active", "--engine", "--repeats", "--scaling",
                                 "--problem", "--force", "--seed", "floor"});
  const Arguments rows{"RUN",         "--data",    "--encoded",       "--k",     "--level",     "--all",
                       "--unit-rows", "--holdout", "--skip-bad-rows", "--codes", "--candidates"};
  const Arguments shown{"--names", "--labels", "--label-names", "--device"};
  expect_help({"name", "--help"}, common + rows +
                                      Arguments{"--vocab", "--words", "--chance", "--unique", "--best",
                                                "--show", "--out", "--csv", "--seed"});
  expect_help({"tree", "--help"},
              common + rows +
                  Arguments{"--present", "--broader", "--lift", "--active", "--cosine", "--fewest-rows",
                            "--most-rows", "--truth", "--csv", "--names"});
  expect_help({"search", "--help"},
              common + rows + shown +
                  Arguments{"--row", "--query", "--query-row", "--with", "--without", "--top", "--similarity",
                            "manhattan", "--rarity", "--plain"});
  expect_help({"steer", "--help"}, common + rows + shown +
                                       Arguments{"--row", "--set", "--scale", "--remove", "--decoded-alone",
                                                 "--vocab", "--words", "--top", "--out", "--force"});
  expect_help({"bias", "--help"},
              common + rows +
                  Arguments{"--attribute", "--name", "--attribute-names", "--top", "--resamples",
                            "--confidence", "--folds", "--l2", "--out", "--csv", "--names", "AUC"});
  expect_help({"report", "--help"}, common + rows + shown +
                                        Arguments{"--out", "--vocab", "--words", "--images", "--pictures",
                                                  "--picture-size", "--top", "--without-tree"});
  expect_help({"completion", "--help"}, {"bash", "zsh", "fish", "source <(msae completion bash)"});
}

TEST_F(Usage, VersionIsSaid) {
  const auto outcome = run({"--version"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(lines(outcome.out),
              ElementsAre(MatchesRegex("msae [0-9]+\\.[0-9]+\\.[0-9]+"), StartsWith("LibTorch 2."),
                          MatchesRegex("HDF5 1\\.[0-9]+\\.[0-9]+"),
                          AnyOf("CUDA not in this build", MatchesRegex("CUDA [0-9]+\\.[0-9], .* visible")),
                          MatchesRegex("instruction set [A-Za-z0-9_ -]+")));
}

}  // namespace
}  // namespace msae::test
