// Options that come from a TOML file, and what is said of a file that cannot give them.
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class OptionsFile : public testing::Test {
 protected:
  void write(const std::string& text) const {
    std::ofstream(here / "c.toml", std::ios::binary | std::ios::trunc) << text;
  }
  // One printable sentence, and nothing done.
  void expect_refused(const std::string& file, const std::string& sentence) const {
    const auto outcome = here.run({"train", "data.h5:/embeddings", "--out", "new", "--config", file});
    EXPECT_THAT(outcome, IsWrongUsage(sentence));
    EXPECT_EQ(lines(outcome.err).size(), 2) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("msae: "), Not(HasSubstr("INI"))));
    EXPECT_FALSE(here.has("new"));
  }
  void expect_text_refused(const std::string& text, const std::string& sentence) const {
    write(text);
    SCOPED_TRACE(text);
    expect_refused("c.toml", sentence);
  }
  nlohmann::json info(const std::string& run) const {
    return parse(here.run({"info", run, "--json", "-"}).out);
  }

  Workplace here;
};

TEST_F(OptionsFile, GivesWhatTheCommandLineLeavesOpen) {
  write(
      "# a comment\nbatch-size = 200\nsteps = 3\n"
      "[train]\ndata = 'data.h5:/embeddings'\nout = \"new\"\nlatents = 32\n"
      "levels = [4,\n  16]\nweights = \"1,2.5\"\nlr = 1e-2\n"
      "precision = 'bf16'\ndense-level = 0.5\n"
      "[eval]\nrun = [\"run\", \"new\"]\nk = [8, 16]\ncentred = true\n"
      "[synth]\nforce = false\n");
  ASSERT_THAT(here.run({"train", "--config", "c.toml", "--lr", "0.5"}), Succeeds());
  EXPECT_EQ(info("new").at("levels"), nlohmann::json({4, 16}));
  EXPECT_EQ(info("new").at("weights"), nlohmann::json({1, 2.5}));
  EXPECT_THAT(contents(here / "new" / "options.toml"),
              AllOf(HasSubstr("lr = 0.5\n"), HasSubstr("steps = 3\n"), HasSubstr("precision = \"bf16\"\n"),
                    HasSubstr("dense-level = 0.5\n")));
  write("data = 'data.h5:/embeddings'\n[eval]\nrun = ['run', 'new']\nk = [8, 16]\ncentred = true\n");
  const auto results = parse(here.run({"--config", "c.toml", "eval", "--json", "-"}).out);
  ASSERT_EQ(results.size(), 2);
  EXPECT_EQ(results[1].at("run"), "new");
  EXPECT_EQ(results[0].at("centred"), true);
  EXPECT_THAT(results[0].dump(), AllOf(HasSubstr("k=8"), HasSubstr("k=16")));
}

TEST_F(OptionsFile, OfOneWordServesInfoAndSynth) {
  write("[synth]\nout = 'new.h5'\nrows = 50\nforce = true\n[info]\npath = 'new.h5:/embeddings'\n");
  std::ofstream(here / "new.h5") << "to be replaced";
  ASSERT_THAT(here.run({"synth", "--config", "c.toml", "--concepts", "30"}), Succeeds());
  EXPECT_THAT(here.run({"info", "--config=c.toml"}).out, HasSubstr("rows: 50\n"));
}

TEST_F(OptionsFile, NamesThatAreNotKnownAreRefusedWithTheNearest) {
  expect_text_refused("[train]\n\nlatnets = 64\n",
                      "c.toml, line 3: unknown option 'latnets'; did you mean 'latents'?");
  expect_text_refused("batch_size = 64\n", "line 1: unknown option 'batch_size'; did you mean 'batch-size'?");
  expect_text_refused("learning-rate = 64\n", "did you mean 'lr'?");
  expect_text_refused("xyzzy = 1\n", "c.toml, line 1: unknown option 'xyzzy'\n");
  expect_text_refused("[train]\ncentred = true\n",
                      "line 2: 'centred' is an option of eval, not of train; it belongs below [eval]");
  expect_text_refused("[trian]\nlr = 1\n", "c.toml, line 1: unknown section 'trian'; did you mean 'train'?");
  expect_text_refused("lr = 1\n[eval]\nrun = 'run'\nkk = 1\n", "c.toml, line 4: unknown option 'kk'");
  expect_text_refused("DATA = 'x'\n", "line 1: unknown option 'DATA'; did you mean 'data'?");
  for (const std::string text : {"[[train]]\nlr = 1\n", "train = 3\n"}) {
    expect_text_refused(text, "c.toml, line 1: 'train' is a section: write [train], and its options below");
  }
  for (const std::string name : {"json", "quiet", "resume", "config", "help"}) {
    expect_text_refused(name + " = true\n", "line 1: '" + name + "' cannot be set in a file");
  }
}

TEST_F(OptionsFile, ValuesThatDoNotFitAreRefusedByLine) {
  const auto line_2 = [&](const std::string& line, const std::string& sentence) {
    expect_text_refused("[train]\n" + line + "\n", "c.toml, line 2: " + sentence);
  };
  line_2("lr = ", "is not valid TOML");
  line_2("eval = \"data.h5", "is not valid TOML");
  line_2("lr = \"\"", "--lr: must be a number");
  line_2("lr = \"fast\"", "--lr: must be a number");
  line_2("epochs = 30.0", "--epochs: must be a whole number below 2^63, not '30.0'");
  line_2("epochs = \"\"", "--epochs: must be a whole number below 2^63, not ''");
  line_2("threads = 5000", "--threads: must be a whole number from 1 to 4096, not '5000'");
  line_2("model = \"softmax\"", "--model: softmax not in");
  line_2("lr = {a = 1}", "'lr' takes a value, not a table");
  line_2("lr = 2026-01-01", "'lr' takes a string, a number or a list of them");
  line_2("lr = [1, 2]", "'lr' takes one value, not a list");
  line_2("lr = true", "'lr' takes a value, not true");
  line_2("levels = []", "'levels' is an empty list");
  line_2("levels = [[1], [2]]", "'levels' takes a string, a number or a list of them");
  expect_text_refused("[synth]\nforce = 1\n", "c.toml, line 2: 'force' is either true or false");
  expect_text_refused("lr = 1\nlr = 2\n", "c.toml, line 2: is not valid TOML");
  write("lr = [1, 2\nk = 3\n");
  EXPECT_THAT(here.run(train("new", {"--config", "c.toml"})).err, Not(HasSubstr("quotes")));
  expect_text_refused("model = topk\n", "text stands in quotes");
  expect_text_refused("lr = 1\n[train]\nlr = 2\n", "c.toml, line 3: 'lr' is given twice");
  expect_text_refused("steps = 1\nepochs = 2\n", "c.toml, line 2: 'epochs' and 'steps' exclude each other");
}

TEST_F(OptionsFile, ValuesThatTheLibraryRefusesAreToldWithTheFile) {
  write("[train]\nepochs = -2\n");
  EXPECT_THAT(here.run(train("new", {"--config", "c.toml"})),
              Succeeds());  // --steps on the command line wins
  write("[train]\nlr = -2\n");
  EXPECT_THAT(here.run(train("newer", {"--config", "c.toml"})),
              FailsSaying({"msae: c.toml: --lr: must be positive", "not -2"}));
}

TEST_F(OptionsFile, FilesThatAreNoneAreRefused) {
  expect_text_refused(std::string("\x01\xff\0\x1b[31m", 8), "c.toml, line 1: is not valid TOML");
  expect_refused("data.h5", "data.h5");
  expect_refused("none.toml", "--config: none.toml: cannot be opened: No such file");
  expect_refused("run", "--config: run: is not a regular file");
  expect_refused("", "--config: must name a file");
  if (::geteuid() == 0) return;  // who may read everything
  std::filesystem::permissions(here / "c.toml", std::filesystem::perms::none);
  expect_refused("c.toml", "--config: c.toml: cannot be opened: Permission denied");
}

TEST_F(OptionsFile, HelpIsGivenWhateverTheFile) {
  write("garbage");
  EXPECT_THAT(here.run({"train", "--config", "c.toml", "--help"}), Succeeds());
  EXPECT_THAT(here.run({"--config", "c.toml", "--version"}), Succeeds());
}

TEST_F(OptionsFile, AnotherModelOnTheCommandLineDropsWhatBelongsToThatOfTheFile) {
  const auto call = [&](const std::string& from, const std::string& out, const Arguments& more) {
    return here.run(Arguments{"train", "--config", from + "/options.toml", "--out", out} + more);
  };
  ASSERT_THAT(here.run(train("nested", {"--levels", "4,64", "--weights", "1,2"})), Succeeds());
  EXPECT_THAT(call("nested", "topk", {"--model", "topk", "--k", "8"}), Succeeds());
  EXPECT_THAT(call("topk", "relu", {"--model", "relu", "--l1", "0.1"}), Succeeds());
  EXPECT_THAT(call("relu", "again", {"--model", "matryoshka"}), Succeeds());
  // The same model keeps its own.
  EXPECT_THAT(call("topk", "other", {"--model", "topk", "--seed", "7"}), Succeeds());
  EXPECT_EQ(info("other").at("k"), 8);
  ASSERT_THAT(here.run(train("jump", {"--model", "jump-relu", "--l0", "0.01", "--threshold", "0.1"})),
              Succeeds());
  EXPECT_THAT(call("jump", "of_jump", {"--model", "topk", "--k", "8"}), Succeeds());
  ASSERT_THAT(here.run(train("batch", {"--batch-levels"})), Succeeds());
  EXPECT_THAT(call("batch", "of_batch", {"--model", "topk", "--k", "8"}), Succeeds());
  // Nor does another preset keep what the file's preset chose.
  ASSERT_THAT(call("nested", "published", {"--preset", "reference"}), Succeeds());
  const auto options = contents(here / "published" / "options.toml");
  EXPECT_THAT(options, AllOf(HasSubstr("\nlr = 1e-04\n"), HasSubstr("\nunit-norm = \"before-step\"\n"),
                             HasSubstr("\nschedule = \"published\"\n")));
}

TEST_F(OptionsFile, WhatNobodyChoseIsChosenAnewBesideOtherStepsDataOrPresets) {
  const Arguments plain{"train", "data.h5:/embeddings"};
  const auto options = [&](const std::string& run) {
    std::map<std::string, std::string> found;
    std::istringstream text(contents(here / run / "options.toml"));
    for (std::string line; std::getline(text, line);) {
      const auto equals = line.find(" = ");
      if (equals != line.npos && line.rfind("out", 0) != 0)
        found[line.substr(0, equals)] = line.substr(equals + 3);
    }
    return found;
  };
  const auto expect_same = [&](const std::string& name, const Arguments& first, const Arguments& other) {
    SCOPED_TRACE(name);
    ASSERT_THAT(here.run(plain + first + Arguments{"--out", name}), Succeeds());
    ASSERT_THAT(here.run(Arguments{"train", "--config", name + "/options.toml", "--out", name + "1"} + other),
                Succeeds());
    ASSERT_THAT(here.run(plain + first + other + Arguments{"--out", name + "2"}), Succeeds());
    EXPECT_EQ(options(name + "1"), options(name + "2"));
  };
  const Arguments topk{"--model", "topk", "--epochs", "2"};
  expect_same("chosen", {"--model", "topk", "--steps", "5", "--lr", "0.02"}, {"--latents", "96"});
  expect_same("seed", topk, {"--seed", "7"});
  expect_same("held", topk, {"--holdout", "0.3"});
  expect_same("rate", topk, {"--lr", "0.001"});
  expect_same("batch", topk, {"--batch-size", "50"});
  expect_same("preset", {"--model", "batch-topk", "--epochs", "2"}, {"--preset", "reference"});
  ASSERT_THAT(here.run(plain + Arguments{"--epochs", "2", "--out", "short"}), Succeeds());
  ASSERT_THAT(here.run({"train", "--config", "short/options.toml", "--epochs", "20", "--out", "long"}),
              Succeeds());
  ASSERT_THAT(here.run(plain + Arguments{"--epochs", "20", "--out", "fresh"}), Succeeds());
  EXPECT_EQ(options("long"), options("fresh"));
  EXPECT_NE(options("long").at("beta2"), options("short").at("beta2"));
  EXPECT_EQ(options("long").at("by-default"), "\"batch-size,lr,beta2,weight-decay\"");
  // What was chosen stays.
  ASSERT_THAT(here.run({"train", "--config", "chosen1/options.toml", "--epochs", "3", "--out", "kept"}),
              Succeeds());
  EXPECT_EQ(options("kept").at("lr"), "0.02");
}

TEST_F(OptionsFile, FewerLatentsOnTheCommandLineDropWhatDoesNotFitThem) {
  ASSERT_THAT(here.run(train("nested", {"--levels", "4,64", "--weights", "1,2"})), Succeeds());
  const auto call = [&](const std::string& out, const Arguments& more) {
    return here.run(Arguments{"train", "--config", "nested/options.toml", "--out", out} + more);
  };
  const auto narrow = call("narrow", {"--latents", "32"});
  ASSERT_THAT(narrow, Succeeds());
  EXPECT_THAT(narrow.err, HasSubstr("levels of the options file does not fit and becomes auto"));
  EXPECT_EQ(info("narrow").at("levels"), nlohmann::json({8, 16, 32}));
  ASSERT_THAT(call("wide", {"--expansion", "8"}), Succeeds());
  EXPECT_EQ(info("wide").at("levels"), nlohmann::json({4, 64}));
  EXPECT_EQ(info("wide").at("weights"), nlohmann::json({1, 2}));
  ASSERT_THAT(call("three", {"--levels", "4,8,16"}), Succeeds());
  EXPECT_EQ(info("three").at("weights"), nlohmann::json({0.5, 1, 0.5}));
  // What was typed is never dropped.
  EXPECT_THAT(call("typed", {"--latents", "32", "--levels", "2,64"}),
              FailsSaying({"--levels: 64 is more than"}));
  ASSERT_THAT(here.run({"train", "--config", "run/options.toml", "--out", "auto", "--latents", "128"}),
              Succeeds());
  EXPECT_EQ(info("auto").at("levels"), nlohmann::json({8, 16, 32, 64, 128}));
}

TEST_F(OptionsFile, FilesOfEarlierVersionsAreRead) {
  const std::string name = "my \\ \"own\" data.h5";
  std::filesystem::rename(here / "data.h5", here / name);
  write(
      "# Every option of this run. To repeat it: msae train --config options.toml --out OTHER\n[train]\n"
      "data = '" +
      (here / name).string() +
      ":/embeddings'\nout = \"/nowhere\"\npreset = \"default\"\n"
      "model = \"matryoshka\"\nlatents = 64\nlevels = \"8,16,32,64\"\nweights = \"uniform\"\nsteps = 20\n"
      "batch-size = 200\nlr = 0.001\nschedule = \"linear\"\nwarmup = 0.01\ndecay = 0.20000000000000001\n"
      "loss = \"nmse\"\nl1 = 0\nclip = 1\nweight-decay = 1e-05\nengine = \"auto\"\n"
      "seed = 18446744073709551615\ndevice = \"auto\"\nthreads = 1\nsave-every = \"300\"\nlog-every = 0\n");
  ASSERT_THAT(here.run({"train", "--config", "c.toml", "--out", "new"}), Succeeds());
  EXPECT_THAT(contents(here / "new" / "options.toml"), HasSubstr("seed = \"18446744073709551615\"\n"));
  ASSERT_THAT(here.run({"train", "--config", "new/options.toml", "--out", "newer"}), Succeeds());
  EXPECT_TRUE(here.weights("new") == here.weights("newer"));
}

TEST_F(OptionsFile, RecordsNamesThatHoldAnythingButBytesThatAreNoText) {
  const std::string name = "a\n'\"\\\t\x01\x7f\xc3\xa9 # = [b]";
  std::filesystem::rename(here / "data.h5", here / (name + ".h5"));
  const auto call = [&](const std::string& out) {
    auto words = train(out);
    words[1] = name + ".h5:/embeddings";
    return here.run(words);
  };
  ASSERT_THAT(call(name), Succeeds());
  ASSERT_THAT(here.run({"train", "--config", name + "/options.toml", "--out", "again"}), Succeeds());
  EXPECT_THAT(here.run({"train", "--out", name, "--resume"}), Succeeds());
  EXPECT_THAT(call("odd\xff"), FailsSaying({"--out: ", "is not UTF-8, as the text of options.toml must be"}));
  EXPECT_FALSE(here.has("odd\xff"));
}

}  // namespace
}  // namespace msae::test
