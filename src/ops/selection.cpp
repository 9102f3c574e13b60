#include "msae/ops/selection.h"

#include <algorithm>

#include "ops/check_selection.h"
#include "ops/sparse_levels.h"

namespace msae::ops {
namespace {

// The indices [rows, deepest level] of each row's largest latents, in rank order as far as the levels can
// tell. A partial selection is twice as fast as a sort but settles ties anyhow, which shows only where a tie
// crosses a level's boundary.
torch::Tensor ranked(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto depth = levels.back();
  const auto largest = pre.topk(depth + 1, /*dim=*/1, /*largest=*/true, /*sorted=*/true);
  std::vector<std::int64_t> inside, outside;
  for (const auto k : levels) {
    if (k == 0) continue;
    inside.push_back(k - 1);
    outside.push_back(k);
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

// Of levels that do not keep every latent: levels.size() for those left out.
torch::Tensor ranked_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto count = static_cast<std::int64_t>(levels.size()), depth = levels.back();
  auto level_of_rank = torch::empty({depth}, torch::kUInt8);
  for (auto i = count; i-- > 0;) level_of_rank.slice(0, 0, levels[static_cast<std::size_t>(i)]).fill_(i);
  return torch::full(pre.sizes(), count, pre.options().dtype(torch::kUInt8).requires_grad(false))
      .scatter_(1, ranked(pre, levels), level_of_rank.to(pre.device()).expand({pre.size(0), depth}));
}

// The same by kernels, which know the positive ones alone: a row that has too few of them is ranked anew.
torch::Tensor levels_by_kernels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto count = static_cast<std::int64_t>(levels.size());
  auto level =
      with_type_of(pre, [&]<typename T>(T) { return dense_levels(sparse_levels<T>(pre, levels), count); });
  const auto few = level.ne(count).sum(1).lt(levels.back()).nonzero().flatten();
  if (few.numel() == 0) return level;
  return level.index_copy_(0, few, ranked_levels(pre.index_select(0, few), levels));
}

}  // namespace

torch::Tensor nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  check_pre(pre);
  check_levels(levels);
  const torch::NoGradGuard no_grad;
  // Levels that keep every latent need no ranking; the others need it down to the widest of them.
  const std::vector<std::int64_t> narrow(levels.begin(),
                                         std::lower_bound(levels.begin(), levels.end(), pre.size(1)));
  if (narrow.empty())
    return torch::zeros(pre.sizes(), pre.options().dtype(torch::kUInt8).requires_grad(false));
  return kernels_take(pre) ? levels_by_kernels(pre, narrow) : ranked_levels(pre, narrow);
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
