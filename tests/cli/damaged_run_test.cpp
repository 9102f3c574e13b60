// What else than the table of bad input the program says about a run that is not as it was left.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/program.h"
#include "support/files.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;

class DamagedRun : public testing::Test {
 protected:
  Outcome resume() const { return here.run({"train", "--out", "run", "--resume"}); }

  Workplace here;
};

TEST_F(DamagedRun, OptionsAreDamaged) {
  const auto options = here.path() / "run" / "options.toml";
  for (const auto* text : {"", "garbage", "[train]\nunknown = 1\n"}) {
    std::ofstream(options, std::ios::trunc) << text;
    EXPECT_THAT(resume(),
                FailsSaying({"run/options.toml: is damaged", "move it away, then give DATA and all"}));
  }
  fs::remove(options);
  EXPECT_THAT(here.run(train("run", options_of_run + Arguments{"--resume"})), Succeeds());
  EXPECT_TRUE(fs::exists(options));
}

TEST_F(DamagedRun, PlaceOfTheModelIsTaken) {
  fs::remove(here / "run" / "cfg.json");
  fs::create_directory(here / "run" / "cfg.json");
  EXPECT_THAT(resume(), FailsSaying({"run/cfg.json: is not a regular file"}));
}

TEST_F(DamagedRun, MetricsAreNoRegularFile) {
  const auto metrics = here.path() / "run" / "metrics.csv";
  fs::remove(metrics);
  ASSERT_EQ(::mkfifo(metrics.c_str(), 0600), 0);  // to open it would be to wait for a writer
  EXPECT_THAT(resume(), FailsSaying({"run/metrics.csv: is not a regular file"}));
  fs::remove(metrics);
  fs::create_directory(metrics);
  EXPECT_THAT(resume(), FailsSaying({"run/metrics.csv: is not a regular file"}));
}

TEST_F(DamagedRun, ALinkInPlaceOfAFileIsReplacedAndWhatItLeadsToStays) {
  fs::rename(here / "run" / "cfg.json", here / "precious.json");
  fs::create_symlink(here / "precious.json", here / "run" / "cfg.json");
  overwrite(here / "precious.json", contents(here / "precious.json") + "\n");  // told from a new one
  const auto before = contents(here / "precious.json");
  ASSERT_THAT(resume(), Succeeds());
  EXPECT_EQ(contents(here / "precious.json"), before);
  EXPECT_FALSE(fs::is_symlink(here / "run" / "cfg.json"));
  EXPECT_EQ(contents(here / "run" / "cfg.json") + "\n", before);
}

TEST_F(DamagedRun, AFolderThatCannotBeWrittenIsSaid) {
  const auto only_read = fs::perms::owner_read | fs::perms::owner_exec;
  fs::permissions(here / "run", only_read);
  EXPECT_THAT(resume(), FailsSaying({"run: cannot be written"}));
  fs::permissions(here / "run", only_read | fs::perms::owner_write);
}

// A file that is opened then gets the number of the stream: nothing said may end up in it.
TEST(ClosedStreams, NeverBecomeFiles) {
  const Workplace here;
  const std::string call =
      "train data.h5:/embeddings --latents 64 --steps 20 --batch-size 200 --lr 0.001 --weight-decay 0 "
      "--log-every 1 "
      "--out ";
  const auto data = contents(here / "data.h5");
  EXPECT_EQ(here.shell("$MSAE " + call + "closed <&- >&- 2>&-").exit_code, 0);
  for (const auto* call_with_results : {"synth new.h5 --rows 50", "info run"}) {  // which nobody can get
    EXPECT_EQ(here.shell(std::string("$MSAE ") + call_with_results + " >&- 2>&-").exit_code, 1);
  }
  EXPECT_EQ(contents(here / "data.h5"), data);
  for (const auto* file : {"cfg.json", "sae_weights.safetensors"}) {
    EXPECT_TRUE(contents(here / "closed" / file) == contents(here / "run" / file)) << file;
  }
  const auto rows = lines(contents(here / "closed" / "metrics.csv"));
  EXPECT_EQ(rows.size(), 21);
  for (const auto& row : rows) EXPECT_EQ(std::count(row.begin(), row.end(), ','), 9) << row;
  EXPECT_THAT(here.run({"info", "new.h5:/embeddings"}), Succeeds());
}

TEST(ClosedStreams, AReaderThatHasGoneEndsTheProgramQuietly) {
  const Workplace here;
  const auto outcome = here.shell("$MSAE info run | head -0");
  EXPECT_EQ(outcome.exit_code, 0);  // of head
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace msae::test
