// What `msae bench` found, for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "cli/bench_engines.h"
#include "cli/bench_scaling.h"

namespace msae::cli {

struct BenchReport {
  BenchProblem problem;
  double active_fraction = 0;
  std::int64_t repeats = 0;
  std::optional<MachineRates> rates;  ///< of the CPU, where the steps are its
  std::vector<EngineTimes> engines;
};

void print(std::ostream& out, const BenchReport& report);
nlohmann::ordered_json to_json(const BenchReport& report);

struct ScalingTime {
  ScalingPoint point;
  double active_fraction = 0;
  EngineTimes times;
};

struct ScalingReport {
  std::int64_t repeats = 0;
  std::vector<ScalingTime> points;  ///< the base first
};

void print(std::ostream& out, const ScalingReport& report);
nlohmann::ordered_json to_json(const ScalingReport& report);

}  // namespace msae::cli
