// Runs all tests once for each instruction set that this machine has of those compiled in.
// MSAE_KERNELS_TARGETS=AVX2,SSE4 names those to take.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/cpu/simd.h"  // which are compiled in; before Highway, which asks
// clang-format off
#include <hwy/targets.h>
// clang-format on

namespace {

using Targets = decltype(hwy::SupportedAndGeneratedTargets());

Targets wanted_targets() {
  Targets targets;
  const auto* names = std::getenv("MSAE_KERNELS_TARGETS");
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    const auto name = std::string(",") + hwy::TargetName(target) + ",";
    if (!names || ("," + std::string(names) + ",").find(name) != std::string::npos) targets.push_back(target);
  }
  return targets;
}

// Every iteration of the tests takes the next instruction set.
class TakesNextTarget : public testing::EmptyTestEventListener {
 public:
  explicit TakesNextTarget(Targets targets) : targets_(std::move(targets)) {}

  void OnTestIterationStart(const testing::UnitTest&, int iteration) override {
    const auto target = targets_[static_cast<std::size_t>(iteration) % targets_.size()];
    hwy::SetSupportedTargetsForTest(target);
    std::printf("Instruction set: %s\n", hwy::TargetName(target));
  }

 private:
  Targets targets_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto targets = wanted_targets();
  if (targets.empty()) {
    std::fprintf(stderr, "MSAE_KERNELS_TARGETS names none that this machine has\n");
    return 2;
  }
  testing::GTEST_FLAG(repeat) *= static_cast<int>(targets.size());
  testing::UnitTest::GetInstance()->listeners().Append(new TakesNextTarget(targets));
  return RUN_ALL_TESTS();
}
