#include "train/resampling.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace msae::train {
namespace {

constexpr double share_of_living_norm = 0.2;

// [count], numbers of rows.
torch::Tensor draw(const torch::Tensor& losses, std::int64_t count, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  const auto weights = (losses / losses.max()).square().to(torch::kCPU, torch::kFloat64);
  return weights.multinomial(count, /*replacement=*/true, generator).to(losses.device());
}

}  // namespace

bool resample(models::SparseAutoencoder& model, const torch::Tensor& input, const torch::Tensor& residual,
              const torch::Tensor& dead, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const auto losses = residual.square().sum(1);
  const auto which = dead.nonzero().flatten();
  const auto worst = losses.max().item<double>();
  if (which.numel() == 0 || !(worst > 0) || !std::isfinite(worst)) return false;
  const auto living = model.encoder.norm(2, 1).masked_select(dead.logical_not());
  const auto drawn = input.index_select(0, draw(losses, which.numel(), seed));
  const auto rows = model.standardise_rows(drawn) - model.pre_bias;
  const auto directions = rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  if (!model.options().tied) {
    const auto norm = living.numel() > 0 ? share_of_living_norm * living.mean() : torch::ones_like(losses[0]);
    model.encoder.index_copy_(0, which, directions * norm);
  }
  model.decoder.index_copy_(0, which, directions);
  model.latent_bias.index_fill_(0, which, 0);
  if (const auto* jump = std::get_if<models::JumpRelu>(&model.activation())) {
    model.log_threshold.index_fill_(0, which, std::log(jump->threshold));
  }
  return true;
}

}  // namespace msae::train
