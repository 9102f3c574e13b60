/// \file
/// Directions of rows, in the precision of the rows.
#pragma once

#include <torch/types.h>

namespace msae::concepts {

/// Rows [rows, dim] divided by their length; zero rows stay zero.
inline torch::Tensor unit(const torch::Tensor& rows) {
  const auto length = rows.norm(2, 1, /*keepdim=*/true);
  return rows / torch::where(length > 0, length, torch::ones_like(length));
}

}  // namespace msae::concepts
