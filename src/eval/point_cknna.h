/// \file
/// CKNNA at the points of an evaluation, from a sample of its rows.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "eval/point_codes.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::eval {

/// Evenly spaced rows of a data set, gathered as its batches pass.
class RowSample {
 public:
  /// Row floor(i * of / count) for each i below count, which is `wanted` or, where they are fewer, `of`.
  RowSample(std::int64_t wanted, std::int64_t of);

  std::int64_t count() const { return count_; }
  std::int64_t of() const { return of_; }
  /// \param rows [rows, dim], those from `first` on; batches come in their order
  void add(std::int64_t first, const torch::Tensor& rows);
  /// [count, dim]
  torch::Tensor rows() const { return torch::cat(parts_); }

 private:
  std::int64_t row_of(std::int64_t i) const { return i * of_ / count_; }

  std::int64_t count_, of_, next_ = 0;
  std::vector<torch::Tensor> parts_;
};

/// For each of the codes, the CKNNA of raw rows [rows, dim], centred where asked, and their latents; one
/// code's latents are held at a time. Calls `done` with the share of the codes that are.
std::vector<double> cknna_of_codes(const models::SparseAutoencoder& model, const PointCodes& codes,
                                   const torch::Tensor& rows, bool centred, std::int64_t batch_size,
                                   const std::function<void(double)>& done);

}  // namespace msae::eval
