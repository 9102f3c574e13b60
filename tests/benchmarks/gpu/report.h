// What was found, for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "benchmarks/gpu/ceilings.h"
#include "benchmarks/gpu/measure.h"
#include "benchmarks/gpu/problem.h"
#include "benchmarks/gpu/training.h"

namespace msae::gpu_benchmark {

struct SizeReport {
  Problem problem;
  double active_fraction = 0;
  DeviceRates rates = {};
  StepTimes step = {};
  EngineTimes engine = {};
  std::vector<SweepPoint> sweep = {};  ///< empty: not asked for
};

void print(std::ostream& out, const Ceilings& ceilings);
void print(std::ostream& out, const SizeReport& report);
void print(std::ostream& out, const TrainingTimes& times);

nlohmann::ordered_json to_json(const Ceilings& ceilings);
nlohmann::ordered_json to_json(const SizeReport& report);
nlohmann::ordered_json to_json(const TrainingTimes& times);

}  // namespace msae::gpu_benchmark
