#include "benchmarks/gpu/thresholds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace msae::gpu_benchmark {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

TEST(GpuThresholds, LieBetweenSharesThatDiffer) {
  EXPECT_THAT(thresholds_between({0.04, 0, 0.01, 0.04}, 0.02),
              ElementsAre(DoubleEq(0.005), DoubleEq(0.02), DoubleEq(2)));
}

TEST(GpuThresholds, TellEncodersApartWhereNoLevelIsDense) {
  EXPECT_THAT(thresholds_between({0.01}, 0.04), ElementsAre(DoubleEq(0.005), DoubleEq(0.02), DoubleEq(2)));
  EXPECT_THAT(thresholds_between({}, 0.5), ElementsAre(DoubleEq(0.25), DoubleEq(2)));
}

}  // namespace
}  // namespace msae::gpu_benchmark
