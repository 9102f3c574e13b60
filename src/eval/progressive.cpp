#include "msae/eval/progressive.h"

#include <algorithm>
#include <cmath>

namespace msae::eval {
namespace {

// Levels, and points that were asked for. "trained" repeats one of them or has a k of its own kind.
bool is_step(const Point& point) {
  return point.label != "trained" && point.label != "all";
}

// Levels whose thresholds decide have no k and come first.
bool comes_before(const ProgressiveStep& a, const ProgressiveStep& b) {
  return a.k < b.k;
}

bool repeats(const ProgressiveStep& a, const ProgressiveStep& b) {
  return a.k && a.k == b.k;
}

}  // namespace

std::vector<ProgressiveStep> progressive_recovery(const Evaluation& evaluation) {
  std::vector<ProgressiveStep> steps;
  double all = NAN;
  for (const auto& point : evaluation.points) {
    if (point.label == "all") all = point.fvu;
    if (!is_step(point)) continue;
    steps.push_back(
        {.label = point.label, .k = point.k, .fvu = point.fvu, .cosine = point.cosine, .codes = point.codes});
  }
  std::stable_sort(steps.begin(), steps.end(), comes_before);
  steps.erase(std::unique(steps.begin(), steps.end(), repeats), steps.end());
  const double none = evaluation.fvu_without_latents;
  for (auto& step : steps) step.gain = none > all ? (none - step.fvu) / (none - all) : NAN;
  return steps;
}

}  // namespace msae::eval
