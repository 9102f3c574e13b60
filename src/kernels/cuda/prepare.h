// A batch on its way into model space.
#pragma once

#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// x = (raw - mean) * scale, and what products read of it.
template <typename F>
struct Prepare {
  int rows = 0, dim = 0;
  const float* raw = {};       ///< [rows, dim]
  const float* mean = {};      ///< [dim]
  const float* scale = {};     ///< [1]
  const float* pre_bias = {};  ///< [dim]
  float* target = {};          ///< to [rows, padded(dim)]: x
  F* input = {};               ///< to [rows, padded(dim)]: x - pre_bias
  double* square = {};         ///< to [rows]: |x|^2
};
template <typename F>
void prepare(Stream stream, const Prepare<F>& work);

/// Counts rows: those with |x| > 0 and the sum of |x|^2 go into `totals`, whose other fields become those of
/// a batch that is yet to be counted.
void count_rows(Stream stream, int rows, const double* square, Totals* totals);

/// *to = from, in the order of the stream.
void set(Stream stream, const Scalars& from, Scalars* to);

/// Copies [rows, columns] to factors [rows, padded(columns)].
template <typename F>
void to_factors(Stream stream, std::int64_t rows, int columns, const float* from, F* to);

}  // namespace msae::kernels::cuda
