#include "msae/eval/metrics.h"

namespace msae::eval {
namespace {

void check_pair(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  TORCH_CHECK(rows.dim() == 2 && rows.sizes() == reconstruction.sizes(),
              "metrics: expected two tensors of one shape [rows, dim], got ", rows.sizes(), " and ",
              reconstruction.sizes());
}

// Where both are zero, or only the denominator: there is no ratio.
torch::Tensor ratio(const torch::Tensor& numerator, const torch::Tensor& denominator) {
  return torch::where(denominator > 0, numerator / denominator, torch::full_like(numerator, NAN));
}

}  // namespace

torch::Tensor fvu_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64), residual = x - reconstruction;
  return ratio(residual.var(1, /*unbiased=*/true), x.var(1, /*unbiased=*/true));
}

torch::Tensor cosine_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64), y = reconstruction.to(torch::kFloat64);
  return ratio((x * y).sum(1), x.norm(2, 1) * y.norm(2, 1));
}

torch::Tensor nmae_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64);
  return ratio((x - reconstruction).abs().mean(1), x.abs().mean(1));
}

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
