/// \file
/// Directions of rows, of the type of the rows.
#pragma once

#include <torch/types.h>

#include "eval/unit_rows.h"

namespace msae::concepts {

/// Rows [rows, dim] divided by their length; zero rows stay zero.
inline torch::Tensor unit(const torch::Tensor& rows) {
  return eval::unit_rows(rows).to(rows.scalar_type());
}

}  // namespace msae::concepts
