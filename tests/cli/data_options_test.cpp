// How rows are read: --unit-rows, --skip-bad-rows and --holdout.
#include <signal.h>

#include <limits>
#include <thread>

#include "cli/program.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* rows = "data.h5:/embeddings";

// bad.h5:/rows, 60 rows of dimension 16, two of which are no numbers.
void write_bad_rows(const Workplace& here) {
  std::vector<float> values(60 * 16);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * i % 97) / 97;
  values[17 * 16 + 2] = std::numeric_limits<float>::quiet_NaN();
  values[41 * 16] = std::numeric_limits<float>::infinity();
  Hdf5File(here / "bad.h5").floats("/rows", {60, 16}, values);
}

TEST(DataOptions, HeldOutRowsAreThoseThatEvalAndEncodeTake) {
  const Workplace here;
  const auto trained = here.run(train("part", {"--holdout", "0.1", "--unit-rows", "--json", "-"}));
  ASSERT_THAT(trained, Succeeds());
  const auto at_the_end = parse(trained.out).at("evaluation");
  EXPECT_EQ(at_the_end.at("rows"), 60);
  EXPECT_EQ(at_the_end.at("data"), "data.h5:/embeddings");
  EXPECT_EQ(at_the_end.at("view"), "the 10 % held out, unit rows");
  const auto evaluated =
      here.run({"eval", "part", "--data", rows, "--holdout", "0.1", "--unit-rows", "--json", "-"});
  ASSERT_THAT(evaluated, Succeeds());
  const auto points = parse(evaluated.out).at(0).at("points");
  ASSERT_EQ(points.size(), at_the_end.at("points").size());
  EXPECT_NEAR(points.at(0).at("fvu"), at_the_end.at("points").at(0).at("fvu"), 1e-5);
  EXPECT_THAT(evaluated.err, Not(HasSubstr("was trained")));
  const auto whole = here.run({"eval", "part", "--data", rows, "--json", "-"});
  EXPECT_EQ(parse(whole.out).at(0).at("rows"), 600);
  EXPECT_THAT(
      whole.err,
      AllOf(HasSubstr("part was trained with --unit-rows"),
            HasSubstr("part was trained on some of these rows; --holdout 0.1 evaluates on those alone")));
}

TEST(DataOptions, RowsThatAModelHasSeenAreRemarkedUponHoweverTheirFileIsSpelt) {
  const Workplace here;
  ASSERT_THAT(here.run(train("part", {"--holdout", "0.1"})), Succeeds());
  ASSERT_THAT(here.run(train("all", {})), Succeeds());
  std::filesystem::create_symlink("data.h5", here / "link.h5");
  const auto eval = [&](const std::string& run, const std::string& data, const Arguments& more = {}) {
    const auto outcome = here.run(Arguments{"eval", run, "--data", data} + more);
    EXPECT_THAT(outcome, Succeeds());
    return outcome.err;
  };
  const auto whole = "msae: part was trained on some of these rows; --holdout 0.1 evaluates on those alone";
  for (const auto* data : {"./data.h5:/embeddings", "run/../data.h5:/embeddings", "data.h5:embeddings",
                           "data.h5://embeddings", "link.h5:/embeddings"}) {
    EXPECT_THAT(eval("part", data), HasSubstr(whole)) << data;
    EXPECT_THAT(eval("part", data, {"--holdout", "0.1"}), Not(HasSubstr("was trained"))) << data;
  }
  EXPECT_THAT(eval("part", rows, {"--holdout", "0.2"}),
              HasSubstr("part was trained with --holdout 0.1, so it has seen some of the rows"));
  EXPECT_THAT(eval("all", rows, {"--holdout", "0.2"}),
              HasSubstr("all was trained without --holdout, so it has seen some of the rows"));
  EXPECT_THAT(eval("all", rows), Not(HasSubstr("was trained")));
  const Arguments encode{"encode", "part", "--data", rows, "--out", "l.h5", "--force"};
  EXPECT_THAT(here.run(encode).err, Not(HasSubstr("was trained")));
  EXPECT_THAT(here.run(encode + Arguments{"--holdout", "0.2"}).err, HasSubstr("so it has seen some"));
}

TEST(DataOptions, OtherThanInTrainingAreRemarkedUpon) {
  const Workplace here;
  const Arguments encode{"encode", "run", "--data", rows, "--out", "l.h5", "--force"};
  EXPECT_THAT(here.run(encode + Arguments{"--unit-rows"}).err,
              HasSubstr("run was trained without --unit-rows"));
  EXPECT_THAT(here.run(encode).err, Not(HasSubstr("was trained")));
  std::filesystem::remove(here / "run" / "options.toml");  // as of a model from elsewhere
  EXPECT_THAT(here.run(encode + Arguments{"--unit-rows"}).err, Not(HasSubstr("was trained")));
}

TEST(DataOptions, AreRecordedAndMustNotChangeInAResumedRun) {
  const Workplace here;
  const Arguments options{"--holdout", "0.1", "--unit-rows", "--skip-bad-rows"};
  ASSERT_THAT(here.run(train("part", options)), Succeeds());
  EXPECT_THAT(
      contents(here / "part/options.toml"),
      AllOf(HasSubstr("holdout = 0.1"), HasSubstr("unit-rows = true"), HasSubstr("skip-bad-rows = true")));
  ASSERT_THAT(here.run({"train", "--config", "part/options.toml", "--out", "again"}), Succeeds());
  EXPECT_EQ(here.weights("again"), here.weights("part"));
  EXPECT_THAT(here.run({"train", "--out", "part", "--resume"}), Succeeds());
  EXPECT_THAT(here.run({"train", "--out", "part", "--resume", "--holdout", "0.2"}),
              FailsSaying({"part: holds a run with other options or data", "without the 10 % held out",
                           "without the 20 % held out"}));
  EXPECT_THAT(here.run(train("run", {"--resume", "--unit-rows"})),
              FailsSaying({"run: holds a run with other options or data", "is unit rows now"}));
}

TEST(DataOptions, BadRowsAreSkippedCountedAndToldOf) {
  const Workplace here;
  write_bad_rows(here);
  const auto line = "msae: bad.h5:/rows: 2 rows with NaN or Inf skipped, the first is row 17\n";
  const auto trained = here.run({"train", "bad.h5:/rows", "--out", "new", "--latents", "16", "--steps", "3",
                                 "--batch-size", "50", "--skip-bad-rows", "--json", "-"});
  ASSERT_THAT(trained, Succeeds());
  EXPECT_EQ(parse(trained.out).at("rows_skipped"), 2);
  EXPECT_THAT(trained.err, HasSubstr(line));
  const auto evaluated =
      here.run({"eval", "run", "--data", "bad.h5:/rows", "--skip-bad-rows", "--json", "-", "--quiet"});
  ASSERT_THAT(evaluated, Succeeds());
  EXPECT_EQ(evaluated.err, "");
  EXPECT_EQ(parse(evaluated.out).at(0).at("rows"), 58);
  EXPECT_EQ(parse(evaluated.out).at(0).at("rows_skipped"), 2);
  const auto seen = here.run({"info", "bad.h5:/rows", "--skip-bad-rows", "--unit-rows", "--json", "-"});
  ASSERT_THAT(seen, Succeeds());
  EXPECT_EQ(seen.err, line);
  EXPECT_EQ(parse(seen.out).at("rows"), 58);
  EXPECT_NEAR(parse(seen.out).at("root_mean_square_norm"), 1, 1e-6);
  const auto refused = here.run(
      {"train", "bad.h5:/rows", "--out", "other", "--latents", "16", "--skip-bad-rows", "--levels", "8,4"});
  EXPECT_THAT(refused, FailsSaying({"must ascend"}));
  EXPECT_THAT(refused.err, Not(HasSubstr(line)));  // before the rows were looked at
  EXPECT_THAT(here.run({"eval", "run", "--data", "bad.h5:/rows", "--holdout", "0.5"}),
              FailsSaying({"holds NaN or Inf in float32", "skip-bad-rows"}));
}

TEST(DataOptions, RefuseWhatMakesNoSense) {
  const Workplace here;
  EXPECT_THAT(
      here.run({"eval", "run", "--data", rows, "--holdout", "0.9999999999999999"}),
      FailsSaying({"--holdout: must lie between 0 and 1, and not too close to 1, not 0.99999999999999"}));
  EXPECT_THAT(here.run(train("new", {"--holdout", "0.1", "--eval", rows})), IsWrongUsage("--holdout"));
  EXPECT_THAT(here.run({"eval", "run", "--data", rows, "--holdout", "1"}),
              FailsSaying({"--holdout: must be a share between 0 and 1"}));
  EXPECT_THAT(here.run(train("new", {"--holdout", "0.0001"})), FailsSaying({"leaves none to evaluate on"}));
  EXPECT_THAT(here.run({"info", "run", "--unit-rows"}),
              FailsSaying({"--unit-rows and --skip-bad-rows are for rows"}));
  EXPECT_FALSE(here.has("new"));
}

TEST(DataOptions, InterruptedWhileReadingStopsAtOnce) {
  const Workplace here;
  Hdf5File(here / "long.h5").zeros("/rows", H5T_NATIVE_FLOAT, {1'000'000'000, 16});  // a minute to read
  const auto before = here.names();
  for (const auto& more : {Arguments{}, Arguments{"--skip-bad-rows"}}) {
    Process process(here.path(),
                    Arguments{"train", "long.h5:/rows", "--out", "new", "--latents", "16"} + more);
    while (process.running() && process.err().find("reading") == std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    process.signal(SIGINT);
    const auto outcome = process.wait();
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_THAT(lines(outcome.err).back(), HasSubstr("msae: interrupted while reading long.h5:/rows"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("100.0 %")));
    EXPECT_EQ(here.names(), before);
  }
}

}  // namespace
}  // namespace msae::test
