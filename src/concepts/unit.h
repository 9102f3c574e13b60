/// \file
/// Directions of rows, of the type of the rows.
#pragma once

#include <torch/types.h>

namespace msae::concepts {

/// Rows [rows, dim] divided by their length; zero rows stay zero.
inline torch::Tensor unit(const torch::Tensor& rows) {
  const auto wide = rows.to(torch::kFloat64);  // squares of which neither overflow nor vanish
  const auto length = wide.norm(2, 1, /*keepdim=*/true);
  return (wide / torch::where(length > 0, length, torch::ones_like(length))).to(rows.scalar_type());
}

}  // namespace msae::concepts
