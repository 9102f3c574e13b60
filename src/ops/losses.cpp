#include "msae/ops/losses.h"

namespace msae::ops {
namespace {

void check_shapes(const torch::Tensor& reconstruction, const torch::Tensor& input) {
  TORCH_CHECK(input.dim() == 2, "input: expected [rows, dim], got ", input.sizes());
  const auto dims = reconstruction.dim();
  TORCH_CHECK((dims == 2 || dims == 3) &&
                  reconstruction.sizes().slice(static_cast<std::size_t>(dims - 2)) == input.sizes(),
              "reconstruction: expected ", input.sizes(), " or [levels, rows, dim] of it, got ",
              reconstruction.sizes());
}

// 1 / norms, 0 where the norm is 0, divided by the number of those that are not: weights of a mean over the
// rows that count.
torch::Tensor mean_weights(const torch::Tensor& norms) {
  const auto counts = norms > 0;
  return torch::where(counts, norms.reciprocal(), torch::zeros_like(norms)) / counts.sum().clamp_min(1);
}

}  // namespace

torch::Tensor nmse(const torch::Tensor& reconstruction, const torch::Tensor& input,
                   const torch::Tensor& mean) {
  check_shapes(reconstruction, input);
  const auto deviation = mean.defined() ? input - mean : input;
  const auto weights = mean_weights(deviation.square().sum(-1)).detach();
  return ((reconstruction - input).square().sum(-1) * weights).sum(-1);
}

torch::Tensor mse(const torch::Tensor& reconstruction, const torch::Tensor& input) {
  check_shapes(reconstruction, input);
  return (reconstruction - input).square().mean({-2, -1});
}

torch::Tensor cosine_loss(const torch::Tensor& reconstruction, const torch::Tensor& input) {
  check_shapes(reconstruction, input);
  const auto norms = reconstruction.square().sum(-1) * input.square().sum(-1);
  const auto counts = (norms > 0).detach();
  // The root of 0 has no gradient, not even one to be multiplied by 0.
  const auto cosine =
      (reconstruction * input).sum(-1) / torch::where(counts, norms, torch::ones_like(norms)).sqrt();
  return ((1 - cosine).square() * counts).sum(-1) / counts.sum(-1).clamp_min(1);
}

torch::Tensor l1(const torch::Tensor& latents, const torch::Tensor& input) {
  TORCH_CHECK(latents.dim() == 2 && input.dim() == 2 && latents.size(0) == input.size(0),
              "l1: expected [rows, latents] and [rows, dim], got ", latents.sizes(), " and ", input.sizes());
  const auto weights = mean_weights(input.norm(2, -1)).detach();
  return (latents.abs().sum(-1) * weights).sum();
}

torch::Tensor plain_l1(const torch::Tensor& latents) {
  TORCH_CHECK(latents.dim() == 2, "plain_l1: expected [rows, latents], got ", latents.sizes());
  return latents.abs().sum(-1).mean();
}

}  // namespace msae::ops
