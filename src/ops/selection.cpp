#include "msae/ops/selection.h"

#include <algorithm>

namespace msae::ops {
namespace {

void check_pre(const torch::Tensor& pre) {
  TORCH_CHECK(pre.dim() == 2 && pre.is_floating_point(),
              "pre-activations: expected a floating-point [rows, latents], got ", pre.sizes(), " of ",
              pre.scalar_type());
}

void check_levels(const std::vector<std::int64_t>& levels) {
  TORCH_CHECK(levels.size() < 256, "levels: at most 255, got ", levels.size());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    TORCH_CHECK(levels[i] >= (i == 0 ? 0 : levels[i - 1] + 1), "levels: must ascend from 0 or more, got ",
                levels);
  }
}

// The indices [rows, deepest level] of each row's largest latents, in rank order as far as the levels can
// tell. A partial selection is twice as fast as a sort but settles ties anyhow, which shows only where a tie
// crosses a level's boundary.
torch::Tensor ranked(const torch::Tensor& pre, const std::vector<std::int64_t>& levels, std::size_t count) {
  const auto depth = levels[count - 1];
  const auto largest = pre.topk(depth + 1, /*dim=*/1, /*largest=*/true, /*sorted=*/true);
  std::vector<std::int64_t> inside, outside;
  for (std::size_t i = 0; i < count; ++i) {
    if (levels[i] == 0) continue;
    inside.push_back(levels[i] - 1);
    outside.push_back(levels[i]);
  }
  const auto at = [&](const std::vector<std::int64_t>& ranks) {
    return std::get<0>(largest).index_select(1, torch::tensor(ranks, torch::kInt64).to(pre.device()));
  };
  auto exact = std::get<1>(largest).slice(1, 0, depth);
  if (inside.empty()) return exact;
  const auto tied = at(inside).eq(at(outside)).any(1).nonzero().flatten();
  if (tied.numel() == 0) return exact;
  const auto sorted =
      std::get<1>(pre.index_select(0, tied).sort(/*stable=*/true, /*dim=*/1, /*descending=*/true));
  return exact.clone().index_copy_(0, tied, sorted.slice(1, 0, depth));
}

}  // namespace

torch::Tensor nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  check_pre(pre);
  check_levels(levels);
  const torch::NoGradGuard no_grad;
  const auto latents = pre.size(1);
  // Levels that keep every latent need no ranking; the others need it down to the widest of them.
  const auto narrow = std::lower_bound(levels.begin(), levels.end(), latents) - levels.begin();
  auto level = torch::full(pre.sizes(), narrow, pre.options().dtype(torch::kUInt8).requires_grad(false));
  if (narrow == 0) return level;
  const auto depth = levels[static_cast<std::size_t>(narrow - 1)];
  auto level_of_rank = torch::empty({depth}, torch::kUInt8);
  for (auto i = narrow; i-- > 0;) level_of_rank.slice(0, 0, levels[static_cast<std::size_t>(i)]).fill_(i);
  const auto order = ranked(pre, levels, static_cast<std::size_t>(narrow));
  return level.scatter_(1, order, level_of_rank.to(pre.device()).expand({pre.size(0), depth}));
}

torch::Tensor batch_topk_mask(const torch::Tensor& pre, std::int64_t k) {
  check_pre(pre);
  TORCH_CHECK(k >= 0, "k: must not be negative, got ", k);
  const torch::NoGradGuard no_grad;
  const auto flat = pre.reshape(-1);
  const auto kept = std::min(k, pre.size(1)) * pre.size(0);
  if (kept == 0) return torch::zeros(pre.sizes(), pre.options().dtype(torch::kBool));
  const auto smallest = std::get<0>(flat.topk(kept, /*dim=*/0, /*largest=*/true, /*sorted=*/false)).min();
  const auto above = flat > smallest, equal = flat == smallest;
  // Of those equal to the smallest value kept, the first by index fill what room there is.
  const auto room = kept - above.sum();
  return above.logical_or(equal.logical_and(equal.cumsum(0, torch::kInt32) <= room)).reshape(pre.sizes());
}

torch::Tensor batch_nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  check_pre(pre);
  check_levels(levels);
  auto level = torch::zeros(pre.sizes(), pre.options().dtype(torch::kUInt8).requires_grad(false));
  for (const auto k : levels) {
    if (k < pre.size(1)) level += batch_topk_mask(pre, k).logical_not_();
  }
  return level;
}

}  // namespace msae::ops
