// What a row weighs in the loss.
#pragma once

#include "kernels/cuda/decode.h"

namespace msae::kernels::cuda {

/// Twice the weight of its squared error.
__device__ inline float error_weight(const RowWeights& of, std::int64_t row) {
  double one = 1 / (static_cast<double>(of.rows) * of.dim);
  if (!of.squared) {
    const double square = of.square[row];
    one = square > 0 ? 1 / (static_cast<double>(of.totals->counted) * square) : 0;
  }
  return static_cast<float>(2 * of.scalars->factor * one);
}

/// The weight of the sum of its latents.
__device__ inline float latents_weight(const RowWeights& of, std::int64_t row) {
  if (of.l1 == 0) return 0;
  double one = 1 / static_cast<double>(of.rows);
  if (of.l1_by_norm) {
    const double square = of.square[row];
    one = square > 0 ? 1 / (static_cast<double>(of.totals->counted) * sqrt(square)) : 0;
  }
  return static_cast<float>(of.scalars->factor * static_cast<double>(of.l1) * one);
}

}  // namespace msae::kernels::cuda
