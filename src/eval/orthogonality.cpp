#include "msae/eval/orthogonality.h"

namespace msae::eval {

double decoder_orthogonality(const torch::Tensor& decoder) {
  TORCH_CHECK(decoder.dim() == 2, "decoder: expected [latents, dim], got ", decoder.sizes());
  const torch::NoGradGuard no_grad;
  const auto rows = decoder.to(torch::kFloat64);
  const auto all_pairs = rows.t().mm(rows).square().sum();
  const auto own = rows.square().sum(1).square().sum();
  const auto latents = static_cast<double>(decoder.size(0));
  return (all_pairs - own).clamp_min(0).item<double>() / (latents * latents);
}

}  // namespace msae::eval
