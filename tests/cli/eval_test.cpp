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
    EXPECT_THAT(keys(step), UnorderedElementsAre("label", "k", "fvu", "cosine", "gain"));
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

}  // namespace
}  // namespace msae::test
