// What an evaluation shows beside its points.
#include <cstdint>

#include "cli/program.h"

namespace msae::test {
namespace {

using testing::AllOf;
using testing::Gt;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::UnorderedElementsAre;

TEST(Eval, SaysWhatEachLevelReaches) {
  const Workplace here;
  const Arguments call{"eval", "run", "--data", "data.h5:/embeddings", "--k", "4"};
  EXPECT_THAT(here.run(call).out, AllOf(HasSubstr("\nProgressive recovery"), HasSubstr("gain")));
  const auto result = parse(here.run(call + Arguments{"--json", "-"}).out).at(0);
  const auto& steps = result.at("progressive");
  ASSERT_EQ(steps.size(), 5);
  EXPECT_EQ(steps[0].at("label"), "k=4");
  EXPECT_EQ(steps[4].at("label"), "level 4");
  for (const auto& step : steps)
    EXPECT_THAT(keys(step), UnorderedElementsAre("label", "k", "fvu", "cosine", "gain", "codes"));
  const double none = result.at("fvu_without_latents"), all = result.at("points")[5].at("fvu");
  EXPECT_NEAR(steps[0].at("gain").get<double>(), (none - steps[0].at("fvu").get<double>()) / (none - all),
              1e-9);
  EXPECT_EQ(steps[4].at("gain"), 1);
}

TEST(Eval, ShowsMoreWhereAsked) {
  const Workplace here;
  const Arguments call{"eval", "run", "--data", "data.h5:/embeddings"};
  EXPECT_THAT(here.run(call).out, AllOf(Not(HasSubstr("CKNNA")), Not(HasSubstr("mono"))));
  const Arguments more = call + Arguments{"--cknna", "100", "--activity", "--monosemanticity"};
  const auto table = here.run(more + Arguments{"--json", "all.json"});
  ASSERT_THAT(table, Succeeds());
  EXPECT_THAT(table.out, AllOf(HasSubstr("CKNNA"), HasSubstr("mono"), HasSubstr("median"),
                               HasSubstr("-0.5 to 0.0"), HasSubstr("#")));
  for (const auto& line : lines(table.out)) EXPECT_LE(line.size(), 100) << line;
  const auto points = parse(contents(here / "all.json")).at(0).at("points");
  for (const auto& point : points) {
    EXPECT_THAT(point.at("cknna").get<double>(), AllOf(Gt(0), Le(1)));
    EXPECT_EQ(point.contains("monosemanticity"),
              point.at("k") == 8 || point.at("k") == 64 || point.at("label") == "all")
        << point;
    const auto& activity = point.at("activity");
    EXPECT_THAT(keys(activity), UnorderedElementsAre("dead", "never_active", "frequency", "magnitude"));
    std::int64_t ever = 0;
    for (const auto& bin : activity.at("frequency")) ever += bin.at("latents").get<std::int64_t>();
    EXPECT_EQ(ever + activity.at("never_active").get<std::int64_t>(), 64);
    EXPECT_EQ(activity.at("never_active"), point.at("never_active"));
    EXPECT_NEAR(activity.at("magnitude").at("mean").get<double>(), point.at("mean_magnitude").get<double>(),
                1e-9);
    EXPECT_EQ(activity.at("magnitude").at("quantiles").size(), 4);
  }
}

TEST(Eval, MeasuresTheCodesThatAreAskedFor) {
  const Workplace here;
  const Arguments call{"eval", "run", "--data", "data.h5:/embeddings", "--k", "4,12"};
  const auto points_by = [&](const Arguments& codes) {
    return parse(here.run(call + codes + Arguments{"--json", "-"}).out).at(0).at("points");
  };
  const auto encoded = points_by({}), refit = points_by({"--codes", "refit"}),
             pursued = points_by({"--codes", "pursuit"}),
             narrow = points_by({"--codes", "pursuit", "--candidates", "14"});
  ASSERT_EQ(encoded.size(), pursued.size());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    const double fvu = encoded[i].at("fvu");
    EXPECT_EQ(encoded[i].at("codes"), "encoder");
    const bool is_wide = encoded[i].at("label") == "all" || encoded[i].at("k") > 16;
    EXPECT_EQ(pursued[i].at("codes"), is_wide ? "encoder" : "pursuit");
    if (is_wide) {
      EXPECT_NEAR(pursued[i].at("fvu"), fvu, 1e-6);
      continue;
    }
    EXPECT_LT(refit[i].at("fvu").get<double>(), fvu);
    EXPECT_LT(pursued[i].at("fvu").get<double>(), refit[i].at("fvu").get<double>());
    EXPECT_LE(narrow[i].at("fvu").get<double>(), fvu + 1e-6);
  }
  const auto table = here.run(call + Arguments{"--codes", "pursuit", "--candidates", "14"});
  ASSERT_THAT(table, Succeeds());
  EXPECT_THAT(table.out, AllOf(HasSubstr("64 latents, codes by pursuit among 14, on 600 rows"),
                               HasSubstr("  codes  "), HasSubstr("  encoder  ")));
  EXPECT_THAT(here.run(call).out, Not(HasSubstr("codes")));
}

TEST(Eval, RefusesCodesThatCannotBe) {
  const Workplace here;
  const auto eval = [&](const Arguments& more) {
    return here.run(Arguments{"eval", "run", "--data", "data.h5:/embeddings"} + more);
  };
  EXPECT_THAT(eval({"--codes", "omp"}), IsWrongUsage("--codes: omp not in {encoder,refit,pursuit}"));
  EXPECT_THAT(eval({"--codes", "encoder,refit"}), IsWrongUsage("--codes"));
  EXPECT_THAT(eval({"--candidates", "5"}),
              FailsSaying({"--candidates: is for --codes pursuit, which alone chooses among latents"}));
  EXPECT_THAT(eval({"--codes", "pursuit", "--candidates", "-5"}),
              FailsSaying({"--candidates: must not be negative, and is -5"}));
  EXPECT_THAT(eval({"--codes", "pursuit", "--candidates", "5", "--k", "6"}),
              FailsSaying({"--candidates: must be at least k, 6, or 0 for all, not 5"}));
}

}  // namespace
}  // namespace msae::test
