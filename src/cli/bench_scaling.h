// How the time of a step grows: a problem, and others that differ from it in one quantity each.
#pragma once

#include <string>
#include <vector>

#include "cli/bench_problem.h"

namespace msae::cli {

struct ScalingPoint {
  std::string varied;  ///< "base", or "rows", "dim", "latents", "levels", "active", "threads"
  std::string value;
  BenchProblem problem;
};

/// The problem itself comes first.
std::vector<ScalingPoint> scaling_points(const BenchProblem& base);

/// The activation for a dictionary of another size: levels that it has not are left out, and a level of all
/// latents stays one.
models::Activation resized(const models::Activation& activation, std::int64_t from, std::int64_t to);

}  // namespace msae::cli
