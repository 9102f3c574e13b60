// The least a stage can take, against numbers worked out by hand.
#include "cli/stage_floors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace msae::cli {
namespace {

// A batch is 4 * 10 * 3 = 120 bytes, a matrix 4 * 100 * 3 = 1200, the pre-activations 4 * 10 * 100 = 4000,
// the residuals of two levels 240, the entries 8 * 50 = 400; a product over the entries takes 2 * 50 * 3 =
// 300 flops.
constexpr StepSize size{.rows = 10, .dim = 3, .latents = 100, .entries = 50, .levels = 2};

void expect_work(std::string_view stage, double flops, double bytes) {
  SCOPED_TRACE(stage);
  const auto work = stage_work(stage, size);
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(work->flops, flops);
  EXPECT_EQ(work->bytes, bytes);
}

TEST(StageFloors, CountEveryArrayOnce) {
  expect_work("prepare", 0, 120 + 120 + 1200);
  expect_work("encoder product", 2 * 10 * 3 * 100, 120 + 1200 + 4000);
  expect_work("select", 0, 4000 + 400);
  expect_work("decode", 300, 400 + 1200 + 120 + 240);
  expect_work("columns", 0, 400 + 400);
  expect_work("ds + dW", 600, 400 + 200 + 240 + 2400);
  expect_work("dV", 300, 400 + 120 + 1200);
  expect_work("optimiser", 0, 14 * 1200 + 4 * 1200);
}

TEST(StageFloors, UnknownStagesHaveNone) {
  EXPECT_FALSE(stage_work("lunch", size).has_value());
}

TEST(StageFloors, AreWhateverTakesLonger) {
  const MachineRates rates{.flops = 1000, .bytes = 100};
  EXPECT_DOUBLE_EQ(floor_ms({.flops = 2000, .bytes = 100}, rates), 2000);
  EXPECT_DOUBLE_EQ(floor_ms({.flops = 500, .bytes = 100}, rates), 1000);
  EXPECT_DOUBLE_EQ(floor_ms({.flops = 0, .bytes = 50}, rates), 500);
}

}  // namespace
}  // namespace msae::cli
