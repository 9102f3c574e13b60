#include "msae/eval/progressive.h"

#include <gmock/gmock.h>

#include <cmath>

namespace msae::eval {
namespace {

Point point(const std::string& label, std::optional<std::int64_t> k, double fvu, double cosine) {
  return {.label = label, .k = k, .fvu = fvu, .cosine = cosine};
}

std::vector<std::string> labels(const std::vector<ProgressiveStep>& steps) {
  std::vector<std::string> found;
  for (const auto& step : steps) found.push_back(step.label);
  return found;
}

TEST(ProgressiveRecovery, IsTheShareOfTheGainThatIsReached) {
  Evaluation evaluation;
  evaluation.fvu_without_latents = 1.1;
  evaluation.points = {point("trained", 8, 0.6, 0.7), point("level 1", 8, 0.6, 0.7),
                       point("level 2", 32, 0.05, 0.95), point("all", std::nullopt, 0.1, 0.9)};
  evaluation.points[2].codes = "refit";
  const auto steps = progressive_recovery(evaluation);
  EXPECT_THAT(labels(steps), testing::ElementsAre("level 1", "level 2"));
  EXPECT_EQ(steps[0].k, 8);
  EXPECT_EQ(steps[0].fvu, 0.6);
  EXPECT_EQ(steps[0].cosine, 0.7);
  EXPECT_NEAR(steps[0].gain, 0.5, 1e-14);
  EXPECT_EQ(steps[0].codes, "encoder");
  EXPECT_EQ(steps[1].codes, "refit");
  EXPECT_NEAR(steps[1].gain, 1.05, 1e-14);
}

TEST(ProgressiveRecovery, SortsByKAndLeavesOutRepetitions) {
  Evaluation evaluation;
  evaluation.points = {point("trained", 8, 1, 1),  point("level 1", 8, 1, 1),
                       point("level 2", 32, 1, 1), point("all", std::nullopt, 1, 1),
                       point("k=64", 64, 1, 1),    point("k=8", 8, 1, 1),
                       point("k=16", 16, 1, 1),    point("k=16", 16, 1, 1)};
  EXPECT_THAT(labels(progressive_recovery(evaluation)),
              testing::ElementsAre("level 1", "k=16", "level 2", "k=64"));
}

TEST(ProgressiveRecovery, KeepsLevelsWithoutAKInTheirOrder) {
  Evaluation evaluation;
  evaluation.points = {point("trained", std::nullopt, 1, 1),
                       point("level 1", std::nullopt, 1, 1),
                       point("level 2", std::nullopt, 1, 1),
                       point("all", std::nullopt, 1, 1),
                       point("k=16", 16, 1, 1),
                       point("k=4", 4, 1, 1)};
  EXPECT_THAT(labels(progressive_recovery(evaluation)),
              testing::ElementsAre("level 1", "level 2", "k=4", "k=16"));
}

TEST(ProgressiveRecovery, HasNoShareOfNoGain) {
  Evaluation evaluation;
  evaluation.fvu_without_latents = 1;
  evaluation.points = {point("trained", 8, 1, 1), point("all", std::nullopt, 1, 1), point("k=4", 4, 0.5, 1)};
  EXPECT_TRUE(std::isnan(progressive_recovery(evaluation).at(0).gain));
  evaluation.points.pop_back();
  EXPECT_TRUE(progressive_recovery(evaluation).empty());
}

}  // namespace
}  // namespace msae::eval
