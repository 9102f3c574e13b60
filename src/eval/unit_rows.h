/// \file
/// Directions of rows.
#pragma once

#include <torch/types.h>

namespace msae::eval {

/// Rows divided by their length, in float64; zero rows stay zero.
/// \param rows [rows, dim]
inline torch::Tensor unit_rows(const torch::Tensor& rows) {
  const auto wide = rows.to(torch::kFloat64);
  const auto length = wide.norm(2, 1, /*keepdim=*/true);
  return torch::where(length > 0, wide / length, torch::zeros_like(wide));
}

}  // namespace msae::eval
