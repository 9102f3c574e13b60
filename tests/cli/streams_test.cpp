// What goes to stdout, what to stderr, and what when nobody takes it.
#include <cstdlib>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Of a command in bash, with the program as $MSAE.
Outcome shell(const Workplace& here, const std::string& command) {
  const auto out = (here / "out").string(), err = (here / "err").string();
  const auto program = std::filesystem::absolute(std::getenv("MSAE_BINARY")).string();
  ::setenv("MSAE", program.c_str(), 1);
  const auto line = "cd '" + here.path().string() + "' && bash -c '" + command + "' >out 2>err";
  const int status = std::system(line.c_str());
  return {WEXITSTATUS(status), contents(out), contents(err)};
}

TEST(Streams, JsonOnStdoutIsAllThatIsThere) {
  const Workplace here;
  for (const auto& call :
       std::vector<Arguments>{train("new", {"--eval", "data.h5:/embeddings"}),
                              {"train", "--out", "new", "--resume"},
                              {"eval", "run", "run", "--data", "data.h5:/embeddings", "--truth", "data.h5"},
                              {"info", "run"},
                              {"info", "data.h5"},
                              {"synth", "new.h5", "--rows", "50"}}) {
    const auto outcome = here.run(call + Arguments{"--json", "-"});
    ASSERT_THAT(outcome, Succeeds());
    EXPECT_FALSE(parse(outcome.out).empty());
  }
}

TEST(Streams, QuietSaysNothing) {
  const Workplace here;
  for (const auto& call : std::vector<Arguments>{train("new", {"--eval", "data.h5:/embeddings"}),
                                                 {"train", "--out", "new", "--resume"},
                                                 {"eval", "run", "--data", "data.h5:/embeddings"},
                                                 {"info", "run"},
                                                 {"synth", "new.h5", "--rows", "50"}}) {
    const auto outcome = here.run(call + Arguments{"--quiet"});
    ASSERT_THAT(outcome, Succeeds());
    EXPECT_THAT(outcome.err, IsEmpty()) << call[0];
  }
}

TEST(Streams, StdoutThatTakesNothingIsAFailure) {
  const Workplace here;
  for (const auto* call :
       {"$MSAE info run", "$MSAE info run --json -", "$MSAE eval run --data data.h5:/embeddings --quiet",
        "$MSAE --help", "$MSAE --version", "$MSAE completion bash"}) {
    for (const auto* target : {" >/dev/full", " >&-"}) {
      const auto outcome = shell(here, std::string(call) + target);
      EXPECT_EQ(outcome.exit_code, 1) << call << target;
      EXPECT_EQ(outcome.err, "msae: the results cannot be written to stdout\n") << call << target;
    }
  }
}

// A link as /dev/stdout is one: to a regular file where the shell's > names it, whose place no other may
// take.
TEST(Streams, JsonGoesToALinkToStdoutThatIsAFile) {
  const Workplace here;
  std::filesystem::create_symlink("/proc/self/fd/1", here / "stream");
  for (const auto* target : {"stream", "/proc/self/fd/1"}) {
    const auto outcome = shell(here, std::string("$MSAE info run --json ") + target);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, testing::StartsWith("kind: model\n"));  // all of it
    EXPECT_EQ(parse(outcome.out.substr(outcome.out.find('{'))).at("kind"), "model");
  }
  EXPECT_TRUE(std::filesystem::is_symlink(here / "stream"));
}

// No file that is being written may take the place of a closed stdout.
TEST(Streams, FilesAreWholeWhereStdoutIsClosed) {
  const Workplace here;
  EXPECT_EQ(shell(here, "$MSAE synth new.h5 --rows 50 >&-").exit_code, 1);
  EXPECT_THAT(here.run({"info", "new.h5:/embeddings"}), Succeeds());
}

TEST(Streams, CompletionCompletesInBash) {
  const Workplace here;
  const auto completed = [&](const std::string& words) {
    const auto outcome =
        shell(here, "source <($MSAE completion bash); COMP_WORDS=(" + words +
                        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _msae; echo ${COMPREPLY[*]}");
    EXPECT_THAT(outcome.err, IsEmpty());
    return outcome.out;
  };
  EXPECT_EQ(completed("msae tr"), "train tree\n");
  EXPECT_EQ(completed("msae train --mod"), "--model\n");
  EXPECT_EQ(completed("msae train --model m"), "matryoshka\n");
  EXPECT_EQ(completed("msae completion \"\""), "bash zsh fish\n");
  EXPECT_EQ(completed("msae convert run out --to \"\""),
            "sae-lens sparsify dictionary-learning reference safetensors onnx\n");
  EXPECT_EQ(completed("msae train --device c"), "cpu cuda\n");
  EXPECT_EQ(completed("msae train --weights \"\""), "auto uniform reverse trapezoid\n");
  EXPECT_EQ(completed("$MSAE train data.h5 : /e"), "/embeddings\n");
  EXPECT_THAT(completed("$MSAE train data.h5 :"), HasSubstr("/embeddings /truth"));
  EXPECT_EQ(completed("msae train data.h"), "\n");  // left to the completion of files
  EXPECT_EQ(completed("msae --config o"), "\n");
  EXPECT_THAT(completed("msae eval --"), testing::AllOf(HasSubstr("--config"), HasSubstr("--centred")));
}

TEST(Streams, CompletionIsThereForOtherShells) {
  const Workplace here;
  EXPECT_THAT(here.run({"completion", "zsh"}).out, HasSubstr("bashcompinit"));
  EXPECT_THAT(here.run({"completion", "fish"}).out,
              HasSubstr("complete -c msae -n '__fish_seen_subcommand_from train' -l model -x -a 'relu topk "
                        "batch-topk matryoshka jump-relu prefix-matryoshka'"));
  EXPECT_THAT(here.run({"completion", "csh"}), IsWrongUsage("SHELL"));
}

}  // namespace
}  // namespace msae::test
