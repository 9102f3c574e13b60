#include "msae/eval/progressive.h"

#include <algorithm>
#include <cmath>

namespace msae::eval {
namespace {

// Levels, and points that were asked for; "trained" repeats one of them or has a k of its own kind.
bool is_step(const Point& point) {
  return point.k && point.label != "trained";
}

}  // namespace

std::vector<ProgressiveStep> progressive_recovery(const Evaluation& evaluation) {
  std::vector<ProgressiveStep> steps;
  double all = NAN;
  for (const auto& point : evaluation.points) {
    if (point.label == "all") all = point.fvu;
    if (is_step(point))
      steps.push_back({.label = point.label, .k = *point.k, .fvu = point.fvu, .cosine = point.cosine});
  }
  // Stable: levels come before what was asked for.
  std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.k < b.k; });
  const auto repeats =
      std::unique(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.k == b.k; });
  steps.erase(repeats, steps.end());
  const double none = evaluation.fvu_without_latents;
  for (auto& step : steps) step.gain = none > all ? (none - step.fvu) / (none - all) : NAN;
  return steps;
}

}  // namespace msae::eval
