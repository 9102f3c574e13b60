// The least that stages of the CUDA step do, against numbers worked out by hand.
#include "benchmarks/gpu/stage_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace msae::gpu_benchmark {
namespace {

// Factors of two bytes: inputs 2 * 10 * 8 = 160 bytes, targets 320, pre-activations 4 * 10 * 16 = 640, a
// matrix of latents 320, slots 160, a dictionary 2 * 16 * 8 = 256, parameters 512, a product 2 * 10 * 16 * 8
// = 2560 flops. One level is a list of 20 entries, one a matrix, one adds nothing.
StepSize mixed() {
  return {.rows = 10,
          .dim = 8,
          .latents = 16,
          .factor_bytes = 2,
          .levels = {{.kept = 20, .dense = false}, {.kept = 40, .dense = true}, {.kept = 0, .dense = false}},
          .dense_encoder = true};
}

// Without matrices.
StepSize lists() {
  auto size = mixed();
  size.levels[1].dense = false;
  size.dense_encoder = false;
  return size;
}

void expect_work(std::string_view stage, const StepSize& size, const StageWork& expected) {
  SCOPED_TRACE(stage);
  const auto work = stage_work(stage, size);
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(work->bytes, expected.bytes);
  EXPECT_EQ(work->product_flops, expected.product_flops);
  EXPECT_EQ(work->other_flops, expected.other_flops);
  EXPECT_EQ(work->gathered, expected.gathered);
}

TEST(GpuStageWork, OfLevelsThatAreMatricesAndLists) {
  expect_work("prepare", mixed(), {.bytes = 2 * 320 + 160 + 2 * 80});
  expect_work("encoder product", mixed(), {.bytes = 160 + 256 + 640, .product_flops = 2560});
  expect_work("select", mixed(), {.bytes = 640 + 64 + 320 + 160 + 8 * 20 + 4 * 10 * 7});
  expect_work("decoder product", mixed(), {.bytes = 320 + 256 + 320, .product_flops = 2560});
  expect_work(
      "decode", mixed(),
      {.bytes = 320 + 320 + 160 + 256 + 2 * 160 + 240, .other_flops = 2 * 20 * 8, .gathered = 20 * 16});
  expect_work("ds, dense", mixed(), {.bytes = 160 + 256 + 160 + 320, .product_flops = 2560});
  expect_work("dW, dense", mixed(), {.bytes = 320 + 160 + 512, .product_flops = 2560});
  expect_work("columns", mixed(), {.bytes = 2 * 160 + 64});
  expect_work("ds + dW + dV, lists", mixed(),
              {.bytes = 160 + 256 + 160 + 2 * 512 + 2 * 20, .other_flops = 4 * 20 * 8, .gathered = 20 * 16});
  expect_work("dV, dense", mixed(), {.bytes = 320 + 160 + 512, .product_flops = 2560});
  expect_work("biases", mixed(), {.bytes = 320 + 64 + 160 + 256 + 64});
  expect_work("optimiser", mixed(), {.bytes = 18 * 512 + 2 * 256});
  expect_work("counters", mixed(), {.bytes = 160 + 4 * 10 * 3 + 64});
}

TEST(GpuStageWork, OfLevelsThatAreListsAlone) {
  expect_work("select", lists(), {.bytes = 640 + 64 + 8 * 60 + 4 * 10 * 7});
  expect_work("decode", lists(),
              {.bytes = 320 + 480 + 256 + 2 * 160 + 240, .other_flops = 2 * 60 * 8, .gathered = 60 * 16});
  expect_work("ds + dW + dV, lists", lists(),
              {.bytes = 480 + 256 + 2 * 160 + 512 + 160 + 512 + 64,
               .other_flops = 6 * 60 * 8,
               .gathered = 2 * 60 * 16});
  expect_work("biases", lists(), {.bytes = 160 + 256 + 64});
  auto size = lists();
  size.dense_encoder = true;
  expect_work("columns", size, {.bytes = 2 * 480 + 64 + 320});
}

TEST(GpuStageWork, FloatsAreFactorsThemselvesWhereRowsAreWholeGroups) {
  auto size = mixed();
  size.factor_bytes = 4;
  expect_work("optimiser", size, {.bytes = 18 * 512});
  size.dim = 5;  // padded to 8
  expect_work("optimiser", size, {.bytes = 18 * 512 + 2 * 512});
}

TEST(GpuStageWork, UnknownStagesHaveNone) {
  EXPECT_FALSE(stage_work("lunch", mixed()).has_value());
}

TEST(GpuStageWork, FloorsAreWhateverTakesLongest) {
  const DeviceRates rates{.bytes = 100, .cache_bytes = 400, .product_flops = 1000, .other_flops = 50};
  EXPECT_DOUBLE_EQ(floor_ms({.bytes = 100, .product_flops = 2000}, rates), 2000);
  EXPECT_DOUBLE_EQ(floor_ms({.bytes = 100, .product_flops = 500}, rates), 1000);
  EXPECT_DOUBLE_EQ(floor_ms({.bytes = 100, .other_flops = 200}, rates), 4000);
  EXPECT_DOUBLE_EQ(gather_ms({.gathered = 800}, rates), 2000);
}

TEST(GpuStageWork, LevelsBeyondThePositiveLatentsAddNothing) {
  EXPECT_THAT(expected_kept({64, 128, 256, 512}, 200), testing::ElementsAre(64, 64, 72, 0));
}

}  // namespace
}  // namespace msae::gpu_benchmark
