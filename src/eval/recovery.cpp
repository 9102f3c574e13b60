#include "msae/eval/recovery.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "eval/unit_rows.h"

namespace msae::eval {
namespace {

// [concepts], the best cosine of each true concept to any row of the dictionary.
torch::Tensor best_cosines(const torch::Tensor& dictionary, const torch::Tensor& truth) {
  return std::get<0>(unit_rows(truth).mm(unit_rows(dictionary).t()).max(1));
}

Recovery summary(std::int64_t depth, const torch::Tensor& found, const torch::Tensor& random) {
  constexpr double recovered = 0.9;
  return {.depth = depth,
          .concepts = found.size(0),
          .cosine = found.mean().item<double>(),
          .above = (found > recovered).to(torch::kFloat64).mean().item<double>(),
          .random_cosine = random.mean().item<double>(),
          .random_above = (random > recovered).to(torch::kFloat64).mean().item<double>()};
}

}  // namespace

std::vector<Recovery> concept_recovery(const torch::Tensor& dictionary, const torch::Tensor& truth,
                                       const std::vector<std::int32_t>& depth, std::uint64_t seed) {
  TORCH_CHECK(dictionary.dim() == 2 && truth.dim() == 2 && dictionary.size(1) == truth.size(1),
              "concept_recovery: expected [latents, dim] and [concepts, dim], got ", dictionary.sizes(),
              " and ", truth.sizes());
  TORCH_CHECK(static_cast<std::int64_t>(depth.size()) == truth.size(0),
              "concept_recovery: expected a depth for each of ", truth.size(0), " concepts, got ",
              depth.size());
  const torch::NoGradGuard no_grad;
  const auto known = truth.to(torch::kCPU, torch::kFloat64);
  auto generator = at::detail::createCPUGenerator(seed);
  const auto random_dictionary = torch::empty(dictionary.sizes(), torch::kFloat64).normal_(0, 1, generator);
  const auto found = best_cosines(dictionary.to(torch::kCPU, torch::kFloat64), known);
  const auto random = best_cosines(random_dictionary, known);

  std::vector<Recovery> table{summary(0, found, random)};
  const auto depths = torch::tensor(std::vector<std::int64_t>(depth.begin(), depth.end()), torch::kInt64);
  const auto deepest = depth.empty() ? 0 : *std::max_element(depth.begin(), depth.end());
  for (std::int32_t d = 1; d <= deepest; ++d) {
    const auto at_depth = depths == d;
    if (at_depth.any().item<bool>())
      table.push_back(summary(d, found.index({at_depth}), random.index({at_depth})));
  }
  return table;
}

}  // namespace msae::eval
