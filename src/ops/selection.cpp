#include "msae/ops/selection.h"

#include <algorithm>

namespace msae::ops {
namespace {

void check_pre(const torch::Tensor& pre) {
  TORCH_CHECK(pre.dim() == 2 && pre.is_floating_point(),
              "pre-activations: expected a floating-point [rows, latents], got ", pre.sizes(), " of ",
              pre.scalar_type());
}

}  // namespace

torch::Tensor nested_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  check_pre(pre);
  TORCH_CHECK(levels.size() < 256, "levels: at most 255, got ", levels.size());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    TORCH_CHECK(levels[i] >= (i == 0 ? 0 : levels[i - 1] + 1), "levels: must ascend from 0 or more, got ",
                levels);
  }
  const torch::NoGradGuard no_grad;
  const auto latents = pre.size(1);
  // A stable sort settles ties by index, on every device.
  const auto order = std::get<1>(pre.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true));
  auto level_of_rank = torch::full({latents}, static_cast<std::int64_t>(levels.size()), torch::kUInt8);
  for (std::size_t i = levels.size(); i-- > 0;) {
    level_of_rank.slice(0, 0, std::min(levels[i], latents)).fill_(static_cast<std::int64_t>(i));
  }
  auto level = torch::empty(pre.sizes(), pre.options().dtype(torch::kUInt8).requires_grad(false));
  return level.scatter_(1, order, level_of_rank.to(pre.device()).expand_as(pre));
}

torch::Tensor batch_topk_mask(const torch::Tensor& pre, std::int64_t k) {
  check_pre(pre);
  TORCH_CHECK(k >= 0, "k: must not be negative, got ", k);
  const auto kept = std::min(k, pre.size(1)) * pre.size(0);
  return nested_levels(pre.reshape({1, -1}), {kept}).reshape(pre.sizes()).eq(0);
}

}  // namespace msae::ops
