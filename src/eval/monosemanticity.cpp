#include "msae/eval/monosemanticity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "eval/unit_rows.h"
#include "msae/core/memory.h"

namespace msae::eval {
namespace {

std::int64_t at_least_one(const char* field, std::int64_t value) {
  if (value < 1) {
    throw std::invalid_argument(std::string(field) + ": must be at least 1, not " + std::to_string(value));
  }
  return value;
}

}  // namespace

Monosemanticity::Monosemanticity(std::int64_t latents, std::int64_t dim) {
  const auto values = saturating_product(static_cast<std::uint64_t>(at_least_one("latents", latents)),
                                         static_cast<std::uint64_t>(at_least_one("dim", dim)));
  require_memory(saturating_product(values, sizeof(double)),
                 "the monosemanticity of " + std::to_string(latents) + " latents");
  activations_ = torch::zeros({latents}, torch::kFloat64);
  directions_ = torch::zeros({latents, dim}, torch::kFloat64);
  weights_ = torch::zeros_like(activations_);
  cosines_ = torch::zeros_like(activations_);
}

void Monosemanticity::add(const torch::Tensor& latents, const torch::Tensor& rows) {
  TORCH_CHECK(latents.dim() == 2 && rows.dim() == 2 && latents.size(0) == rows.size(0) &&
                  latents.size(1) == directions_.size(0) && rows.size(1) == directions_.size(1),
              "monosemanticity: expected [rows, ", directions_.size(0), "] and [rows, ", directions_.size(1),
              "], got ", latents.sizes(), " and ", rows.sizes());
  if (rows.size(0) == 0) return;
  TORCH_CHECK(latents.isfinite().all().item<bool>() && rows.isfinite().all().item<bool>(),
              "monosemanticity: latents or rows hold NaN or Inf");
  TORCH_CHECK(latents.min().item<double>() >= 0, "monosemanticity: activations must not be negative, got ",
              latents.min().item<double>());
  const torch::NoGradGuard no_grad;
  const auto device = rows.device();
  for (auto* sum : {&activations_, &directions_, &weights_, &cosines_}) *sum = sum->to(device);
  // Pairs inside a block cost rows^2 x latents, those with earlier blocks rows x latents x dim.
  constexpr std::int64_t block = 256;
  for (std::int64_t first = 0; first < rows.size(0); first += block) {
    const auto last = std::min(first + block, rows.size(0));
    add_block(latents.slice(0, first, last).to(device, torch::kFloat64),
              unit_rows(rows.slice(0, first, last)));
  }
}

// Each pair once, when its later row comes: (sum a)^2 - sum a^2 would lose the pairs of one strong row.
void Monosemanticity::add_block(const torch::Tensor& activations, const torch::Tensor& units) {
  const auto sum = activations.sum(0);
  const auto direction = activations.t().mm(units);
  const auto earlier = units.mm(units.t()).tril(-1).mm(activations);
  cosines_ += (activations * earlier).sum(0) + (direction * directions_).sum(1);
  const auto later = activations.slice(0, 1);
  const auto before = activations.cumsum(0).slice(0, 0, later.size(0));
  weights_ += (later * before).sum(0) + sum * activations_;
  activations_ += sum;
  directions_ += direction;
}

torch::Tensor Monosemanticity::scores() const {
  const auto none = torch::full_like(weights_, std::numeric_limits<double>::quiet_NaN());
  return torch::where(weights_ > 0, (cosines_ / weights_).clamp(-1, 1), none);
}

}  // namespace msae::eval
