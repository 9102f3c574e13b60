/// \file
/// What metrics of pairs of rows share.
#pragma once

#include <torch/types.h>

#include <cmath>

namespace msae::eval {

inline void check_pair(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  TORCH_CHECK(rows.dim() == 2 && rows.sizes() == reconstruction.sizes(),
              "metrics: expected two tensors of one shape [rows, dim], got ", rows.sizes(), " and ",
              reconstruction.sizes());
}

/// NaN where both are zero, or only the denominator: there is no ratio.
inline torch::Tensor ratio(const torch::Tensor& numerator, const torch::Tensor& denominator) {
  return torch::where(denominator > 0, numerator / denominator, torch::full_like(numerator, NAN));
}

}  // namespace msae::eval
