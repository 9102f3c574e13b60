/// \file
/// Variance that a reconstruction leaves unexplained, or explains, in float64.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/core/export.h"

namespace msae::eval {

/// Per row, the variance of the residual over the variance of the row, both across coordinates (the FVU of
/// the published implementation of Zaigrajew et al., arXiv 2502.20578). It does not see a constant offset.
/// Costs a few passes over rows x dim, and keeps no graph.
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \return [rows]; NaN where the row is constant
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT torch::Tensor fvu_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction);

/// How far rows are from their own mean, fed batch by batch. Batches are merged as by Chan, Golub and LeVeque
/// (1979), which keeps the digits of rows that are far from zero; order and size of the batches change the
/// sums by rounding only. Holds dim float64; a batch costs a few passes over rows x dim.
class MSAE_EXPORT Deviation {
 public:
  /// \param rows [rows, dim], of any floating-point type; none is fine
  /// \throws c10::Error when the shape does not fit those before
  void add(const torch::Tensor& rows);
  /// How many rows were added.
  std::int64_t rows() const { return rows_; }
  /// Sum over rows and coordinates of (row - mean of all rows)^2.
  double value() const { return squares_; }
  /// Sum over rows of ||row - point||^2.
  /// \param point [dim]; undefined: zero
  /// \throws c10::Error when the shape does not fit
  double about(const torch::Tensor& point = {}) const;

 private:
  std::int64_t rows_ = 0;
  torch::Tensor mean_;
  double squares_ = 0;
};

/// 1 - residual / rows, each as its Deviation has it; NaN where the rows do not vary.
MSAE_EXPORT double explained_variance(const Deviation& rows, const Deviation& residual);

/// Explained variance, fed batch by batch: 1 - sum_d var_d(residual) / sum_d var_d(row), variances over the
/// rows. Unlike 1 - FVU it does not see a residual that is the same in every row. Cost as two Deviations.
class MSAE_EXPORT ExplainedVariance {
 public:
  /// \param rows           [rows, dim]
  /// \param reconstruction [rows, dim]
  /// \throws c10::Error when shapes do not fit
  void add(const torch::Tensor& rows, const torch::Tensor& reconstruction);
  /// At most 1; NaN where the rows do not vary.
  double value() const;

 private:
  Deviation rows_, residual_;
};

}  // namespace msae::eval
