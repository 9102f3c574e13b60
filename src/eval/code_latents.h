/// \file
/// What an evaluation needs of the latents that one of its codes keeps.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

namespace msae::eval {

/// Those of some rows. Few metrics look at them one by one: a dense matrix exists where one does.
struct CodeLatents {
  std::int64_t active = 0;               ///< entries other than zero
  double magnitude = 0;                  ///< sum of their sizes
  torch::Tensor fired;                   ///< [latents] bool: other than zero in any row
  std::function<torch::Tensor()> dense;  ///< [rows, latents]
};

inline CodeLatents code_latents(const torch::Tensor& latents) {
  const auto active = latents != 0;
  return {active.sum().item<std::int64_t>(), latents.abs().sum(torch::kFloat64).item<double>(), active.any(0),
          [latents] { return latents; }};
}

}  // namespace msae::eval
