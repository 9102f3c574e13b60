// The main job: data, training, evaluation, a look at what came out.
#include <cstdint>
#include <map>

#include "cli/program.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Le;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::vector<std::string> labels(const json& run) {
  std::vector<std::string> found;
  for (const auto& point : run.at("points")) found.push_back(point.at("label"));
  return found;
}

struct Kind {
  std::string model;
  std::string preset;
};

class MainJob : public testing::TestWithParam<Kind> {};

TEST_P(MainJob, TrainsAndEvaluatesEveryModelUnderBothPresets) {
  const auto& [model, preset] = GetParam();
  const Workplace here;
  const auto trained =
      here.run(train("new", Arguments{"--model", model, "--preset", preset} + with_k(model)));
  ASSERT_THAT(trained, Succeeds());
  EXPECT_THAT(trained.out, IsEmpty());
  EXPECT_THAT(trained.err, HasSubstr("new: trained, 20 steps"));

  const auto evaluated =
      here.run({"eval", "new", "--data", "data.h5:/embeddings", "--k", "4,8", "--json", "-"});
  ASSERT_THAT(evaluated, Succeeds());
  const auto result = parse(evaluated.out).at(0);
  EXPECT_EQ(result.at("model"), model);
  EXPECT_THAT(labels(result), IsSupersetOf({"trained", "all", "k=4", "k=8"}));
  for (const auto& point : result.at("points")) {
    EXPECT_THAT(point.at("fvu").get<double>(), AllOf(Gt(0), Le(1.5))) << point;
    EXPECT_THAT(point.at("cosine").get<double>(), AllOf(Gt(0), Le(1))) << point;
    EXPECT_DOUBLE_EQ(point.at("sparsity").get<double>(), 1 - point.at("active").get<double>() / 64) << point;
  }
}

INSTANTIATE_TEST_SUITE_P(, MainJob,
                         testing::Values(Kind{"relu", "default"}, Kind{"relu", "reference"},
                                         Kind{"topk", "default"}, Kind{"topk", "reference"},
                                         Kind{"batch-topk", "default"}, Kind{"batch-topk", "reference"},
                                         Kind{"matryoshka", "default"}, Kind{"matryoshka", "reference"}),
                         [](const auto& test) {
                           auto name = test.param.model + "_" + test.param.preset;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Synth, WritesTheRowsAndTheTruthBesideThem) {
  const Workplace here;
  const auto made =
      here.run({"synth", "new.h5", "--rows", "50", "--dim", "16", "--concepts", "20", "--active", "4"});
  ASSERT_THAT(made, Succeeds());
  EXPECT_EQ(
      made.out,
      "new.h5: 50 rows of dimension 16 under /embeddings, 20 concepts in trees of depth 3 under /truth\n");
  EXPECT_THAT(made.err, IsEmpty());
  const auto sets = parse(here.run({"info", "new.h5", "--json", "-"}).out).at("data_sets");
  EXPECT_THAT(sets,
              Contains(json{
                  {"path", "/embeddings"}, {"shape", {50, 16}}, {"type", "float32"}, {"embeddings", true}}));
  EXPECT_THAT(
      sets,
      Contains(json{
          {"path", "/truth/dictionary"}, {"shape", {20, 16}}, {"type", "float32"}, {"embeddings", true}}));
}

TEST(Synth, TheSameSeedGivesTheSameRowsAndAnotherOneOthers) {
  const Workplace here;
  std::map<std::string, double> norms;
  for (const auto* name : {"first", "second", "other"}) {
    const auto file = std::string(name) + ".h5";
    ASSERT_THAT(here.run({"synth", file, "--rows", "50", "--dim", "16", "--concepts", "20", "--active", "4",
                          "--seed", name == std::string("other") ? "8" : "7"}),
                Succeeds());
    norms[name] =
        parse(here.run({"info", file + ":/embeddings", "--json", "-"}).out).at("mean_squared_deviation");
  }
  EXPECT_EQ(norms["first"], norms["second"]);
  EXPECT_NE(norms["first"], norms["other"]);
}

TEST(Synth, ReplacesAFileOnlyWhenForced) {
  const Workplace here;
  const auto before = contents(here / "data.h5");
  const Arguments again{"synth", "data.h5",    "--rows", "50",       "--dim",
                        "16",    "--concepts", "20",     "--active", "4"};
  EXPECT_THAT(here.run(again), FailsSaying({"data.h5", "exists", "--force"}));
  EXPECT_EQ(contents(here / "data.h5"), before);
  EXPECT_THAT(here.run(again + Arguments{"--force"}), Succeeds());
  EXPECT_NE(contents(here / "data.h5"), before);
}

TEST(Eval, GivesTheKeysOfTheContractAsJson) {
  const Workplace here;
  const auto outcome = here.run({"eval", "run", "--data", "data.h5:/embeddings", "--k", "4", "--json", "-"});
  ASSERT_THAT(outcome, Succeeds());
  const auto runs = parse(outcome.out);
  ASSERT_EQ(runs.size(), 1);
  EXPECT_THAT(keys(runs[0]), IsSupersetOf({"run", "data", "rows", "dim", "latents", "model",
                                           "decoder_orthogonality", "dead_fraction", "points"}));
  EXPECT_EQ(runs[0].at("run"), "run");
  EXPECT_EQ(runs[0].at("data"), "data.h5:/embeddings");
  EXPECT_EQ(runs[0].at("rows"), 600);
  EXPECT_EQ(runs[0].at("dim"), 16);
  EXPECT_EQ(runs[0].at("codes"), "encoder");
  EXPECT_EQ(runs[0].at("latents"), 64);
  EXPECT_THAT(labels(runs[0]),
              ElementsAre("trained", "level 1", "level 2", "level 3", "level 4", "all", "k=4"));
  for (const auto& point : runs[0].at("points")) {
    EXPECT_THAT(keys(point),
                UnorderedElementsAre("label", "k", "active", "sparsity", "fvu", "explained_variance",
                                     "fvu_per_sample", "cosine", "nmae", "dead_fraction", "never_active",
                                     "mean_magnitude", "codes"));
    EXPECT_NEAR(point.at("never_active").get<double>(), 64 * point.at("dead_fraction").get<double>(), 1e-9);
    EXPECT_GE(point.at("explained_variance").get<double>(), 1 - point.at("fvu").get<double>() - 1e-9);
  }
  EXPECT_EQ(runs[0].at("points").back().at("k"), 4);
  EXPECT_TRUE(runs[0].at("points")[5].at("k").is_null());
}

TEST(Eval, LooksAtAllRunsBeforeItWorksOnTheFirst) {
  const Workplace here;
  const Arguments call{"eval", "run", "none", "--data", "data.h5:/embeddings"};
  EXPECT_THAT(here.run(call), FailsSaying({"none"}));
  EXPECT_THAT(here.run(call).err, Not(HasSubstr("evaluating")));
}

TEST(Eval, RefusesTheTruthOfAnotherDimensionBeforeAnyWork) {
  const Workplace here;
  ASSERT_THAT(
      here.run({"synth", "other.h5", "--rows", "50", "--dim", "8", "--concepts", "20", "--active", "4"}),
      Succeeds());
  const auto outcome = here.run({"eval", "run", "--data", "data.h5:/embeddings", "--truth", "other.h5"});
  EXPECT_THAT(outcome, FailsSaying({"truth: other.h5 has dimension 8 but the model's is 16"}));
  EXPECT_THAT(outcome.err, Not(HasSubstr("evaluating")));
}

TEST(Eval, WritesTheJsonToAFileBesideTheTableOnStdout) {
  const Workplace here;
  const Arguments call{"eval", "run", "run", "--data", "data.h5:/embeddings", "--json"};
  const auto outcome = here.run(call + Arguments{"points.json"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out,
              AllOf(StartsWith("run: matryoshka, 64 latents, on 600 rows of data.h5:/embeddings\n"),
                    HasSubstr("trained (k=8)"), HasSubstr("level 4 (k=64)")));
  EXPECT_EQ(contents(here / "points.json"), here.run(call + Arguments{"-"}).out);
  EXPECT_EQ(parse(contents(here / "points.json")).size(), 2);
}

TEST(Eval, SaysHowManyTrueConceptsWereFoundByDepthBesideARandomDictionary) {
  const Workplace here;
  const Arguments call{"eval", "run", "--data", "data.h5:/embeddings", "--truth", "data.h5"};
  const auto table = here.run(call);
  ASSERT_THAT(table, Succeeds());
  EXPECT_THAT(table.out, AllOf(HasSubstr("True concepts recovered"), HasSubstr("depth")));
  const auto recovery = parse(here.run(call + Arguments{"--json", "-"}).out).at(0).at("recovery");
  ASSERT_EQ(recovery.size(), 4);
  EXPECT_EQ(recovery[0].at("depth"), "all");
  EXPECT_EQ(recovery[0].at("concepts"), 20);
  std::int64_t concepts = 0;
  for (std::size_t depth = 1; depth < 4; ++depth) {
    EXPECT_EQ(recovery[depth].at("depth"), depth);
    concepts += recovery[depth].at("concepts").get<std::int64_t>();
    EXPECT_THAT(recovery[depth].at("cosine").get<double>(), AllOf(Ge(0), Le(1)));
    EXPECT_THAT(recovery[depth].at("random_cosine").get<double>(), AllOf(Ge(0), Le(1)));
  }
  EXPECT_EQ(concepts, 20);
}

TEST(Train, EvaluatesAtTheEndAndReportsAsJson) {
  const Workplace here;
  const auto outcome = here.run(train("new", {"--eval", "data.h5:/embeddings", "--json", "-"}));
  ASSERT_THAT(outcome, Succeeds());
  const auto result = parse(outcome.out);
  EXPECT_EQ(result.at("run"), "new");
  EXPECT_EQ(result.at("finished"), true);
  EXPECT_EQ(result.at("steps"), 20);
  const auto later =
      parse(here.run({"eval", "new", "--data", "data.h5:/embeddings", "--json", "-"}).out).at(0);
  ASSERT_EQ(labels(result.at("evaluation")), labels(later));
  for (std::size_t i = 0; i < later.at("points").size(); ++i) {
    EXPECT_NEAR(result.at("evaluation").at("points")[i].at("fvu").get<double>(),
                later.at("points")[i].at("fvu").get<double>(), 1e-5);
  }
}

TEST(Info, DescribesADataFileADataSetAndARun) {
  const Workplace here;
  EXPECT_THAT(here.run({"info", "data.h5"}).out,
              AllOf(HasSubstr("/embeddings"), HasSubstr("[600, 16]"), HasSubstr("float32")));
  const auto set = parse(here.run({"info", "data.h5:/embeddings", "--json", "-"}).out);
  EXPECT_EQ(set.at("kind"), "embeddings");
  EXPECT_EQ(set.at("rows"), 600);
  EXPECT_EQ(set.at("dim"), 16);
  EXPECT_NEAR(set.at("norm_of_mean").get<double>(), 0.7, 0.05);
  EXPECT_NEAR(set.at("root_mean_square_norm").get<double>(), 1, 1e-5);
  const auto run = parse(here.run({"info", "run", "--json", "-"}).out);
  EXPECT_EQ(run.at("kind"), "model");
  EXPECT_EQ(run.at("model"), "matryoshka");
  EXPECT_EQ(run.at("latents"), 64);
  EXPECT_EQ(run.at("levels"), json({8, 16, 32, 64}));
  EXPECT_EQ(run.at("saved_step"), 20);
  EXPECT_EQ(run.at("steps"), 20);
  EXPECT_EQ(run.at("finished"), true);
  EXPECT_EQ(run.at("running"), false);
  EXPECT_THAT(run.at("data").get<std::string>(), HasSubstr("/data.h5:/embeddings"));
  EXPECT_NEAR(run.at("norm_of_data_mean").get<double>(), set.at("norm_of_mean").get<double>(), 1e-5);
}

TEST(Output, QuietKeepsStderrEmpty) {
  const Workplace here;
  const Arguments evaluate{"--eval", "data.h5:/embeddings"};
  const auto trained = here.run(train("new", evaluate + Arguments{"--quiet"}));
  ASSERT_THAT(trained, Succeeds());
  EXPECT_THAT(trained.err, IsEmpty());
  EXPECT_THAT(trained.out, StartsWith("new: matryoshka"));
  const auto evaluated = here.run({"eval", "run", "--data", "data.h5:/embeddings", "--quiet"});
  ASSERT_THAT(evaluated, Succeeds());
  EXPECT_THAT(evaluated.err, IsEmpty());
}

TEST(Output, QuietStillSaysWhyItFailed) {
  const Workplace here;
  EXPECT_THAT(here.run(train("new", {"--quiet", "--lr", "0"})), FailsSaying({"--lr"}));
}

TEST(Output, ProgressIsPlainLinesWhereStderrIsNoTerminal) {
  const Workplace here;
  const auto outcome = here.run(train("new", {"--verbose"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033")), HasSubstr("loss "),
                                 HasSubstr("rows/s"), HasSubstr("100.0 %")));
  EXPECT_THAT(outcome.out, IsEmpty());
}

TEST(Output, SaysThatTheBatchWasLoweredToTheRowsThereAre) {
  const Workplace here;
  const auto outcome = here.run({"train", "data.h5:/embeddings", "--out", "new", "--steps", "2", "--latents",
                                 "64", "--preset", "reference"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("lowered to the 600 rows"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("steps in all")));
}

TEST(Output, SaysThatADefaultLengthIsShort) {
  const Workplace here;
  const Arguments call{"train", "data.h5:/embeddings", "--latents", "64", "--out"};
  EXPECT_THAT(here.run(call + Arguments{"new", "--batch-size", "600"}).err,
              HasSubstr("30 steps in all are few"));
  EXPECT_THAT(here.run(call + Arguments{"newer", "--batch-size", "80"}).err, Not(HasSubstr("steps in all")));
  EXPECT_THAT(here.run(call + Arguments{"usual"}).err, Not(HasSubstr("steps in all")));
}

TEST(Json, GoesToADeviceWithoutReplacingIt) {
  const Workplace here;
  EXPECT_THAT(here.run({"info", "run", "--json", "/dev/null"}), Succeeds());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(Json, ThatCannotBeWrittenIsAFailure) {
  const Workplace here;
  const auto outcome = here.run({"info", "run", "--json", "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "msae: --json: /dev/full cannot be written\n");
}

}  // namespace
}  // namespace msae::test
