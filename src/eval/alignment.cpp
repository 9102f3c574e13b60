#include "msae/eval/alignment.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "eval/assignment.h"
#include "eval/unit_rows.h"
#include "msae/core/memory.h"

namespace msae::eval {
namespace {

void check_dictionaries(const torch::Tensor& a, const torch::Tensor& b) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(1) && a.size(0) > 0 && b.size(0) > 0,
              "align: expected two dictionaries [rows, dim] of one dim, got ", a.sizes(), " and ", b.sizes());
  TORCH_CHECK(a.isfinite().all().item<bool>() && b.isfinite().all().item<bool>(),
              "align: a dictionary holds NaN or Inf");
  const auto pairs =
      saturating_product(static_cast<std::uint64_t>(a.size(0)), static_cast<std::uint64_t>(b.size(0)));
  require_memory(
      saturating_product(pairs, sizeof(double)),
      "the cosines of " + std::to_string(a.size(0)) + " and " + std::to_string(b.size(0)) + " rows");
}

/// Pairs rows of cosines [rows, columns], of which there are no more than columns.
std::vector<std::int64_t> assign(const torch::Tensor& cosines) {
  const std::span scores(cosines.const_data_ptr<double>(), static_cast<std::size_t>(cosines.numel()));
  return best_assignment(scores, cosines.size(0), cosines.size(1));
}

std::vector<std::int64_t> inverse(const std::vector<std::int64_t>& match, std::int64_t size) {
  std::vector<std::int64_t> back(static_cast<std::size_t>(size), -1);
  for (std::size_t i = 0; i < match.size(); ++i) {
    back[static_cast<std::size_t>(match[i])] = static_cast<std::int64_t>(i);
  }
  return back;
}

double mean_best(const torch::Tensor& cosines, std::int64_t over) {
  return cosines.amax(over).mean().item<double>();
}

void summarise_pairs(Alignment& alignment) {
  double pairs = 0;
  for (const double cosine : alignment.cosine) {
    if (std::isnan(cosine)) continue;
    ++pairs;
    alignment.matched += cosine;
    alignment.above_09 += cosine > 0.9 ? 1 : 0;
    alignment.above_07 += cosine > 0.7 ? 1 : 0;
  }
  for (auto* sum : {&alignment.matched, &alignment.above_09, &alignment.above_07}) *sum /= pairs;
}

/// align() of a dictionary with no more rows than the other.
Alignment align_smaller(const torch::Tensor& small, const torch::Tensor& large) {
  const auto cosines = unit_rows(small).mm(unit_rows(large).t()).clamp_(-1, 1).to(torch::kCPU).contiguous();
  Alignment alignment;
  alignment.match = assign(cosines);
  const auto* values = cosines.const_data_ptr<double>();
  for (std::size_t row = 0; row < alignment.match.size(); ++row) {
    alignment.cosine.push_back(values[static_cast<std::int64_t>(row) * large.size(0) + alignment.match[row]]);
  }
  summarise_pairs(alignment);
  alignment.nearest_to_a = mean_best(cosines, 1);
  alignment.nearest_to_b = mean_best(cosines, 0);
  return alignment;
}

}  // namespace

Alignment align(const torch::Tensor& a, const torch::Tensor& b) {
  check_dictionaries(a, b);
  const torch::NoGradGuard no_grad;
  if (a.size(0) <= b.size(0)) return align_smaller(a, b);
  auto alignment = align_smaller(b, a);
  std::swap(alignment.nearest_to_a, alignment.nearest_to_b);
  alignment.match = inverse(alignment.match, a.size(0));
  std::vector<double> cosine(alignment.match.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t row = 0; row < cosine.size(); ++row) {
    const auto partner = alignment.match[row];
    if (partner >= 0) cosine[row] = alignment.cosine[static_cast<std::size_t>(partner)];
  }
  alignment.cosine = std::move(cosine);
  return alignment;
}

}  // namespace msae::eval
