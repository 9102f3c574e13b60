#include "msae/eval/fvu.h"

#include <cmath>

#include "eval/row_metrics.h"

namespace msae::eval {

torch::Tensor fvu_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64), residual = x - reconstruction;
  return ratio(residual.var(1, /*unbiased=*/true), x.var(1, /*unbiased=*/true));
}

void Deviation::add(const torch::Tensor& rows) {
  TORCH_CHECK(rows.dim() == 2 && (!mean_.defined() || rows.size(1) == mean_.size(0)),
              "deviation: expected rows [rows, ", mean_.defined() ? std::to_string(mean_.size(0)) : "dim",
              "], got ", rows.sizes());
  if (rows.size(0) == 0) return;
  const torch::NoGradGuard no_grad;
  const auto wide = rows.to(torch::kFloat64);
  const auto mean = wide.mean(0);
  squares_ += (wide - mean).square().sum().item<double>();
  const auto before = static_cast<double>(rows_), now = static_cast<double>(rows.size(0));
  rows_ += rows.size(0);
  if (!mean_.defined()) {
    mean_ = mean;
    return;
  }
  const auto shift = mean - mean_;
  squares_ += shift.square().sum().item<double>() * (before * now / (before + now));
  mean_ = mean_ + shift * (now / (before + now));
}

double Deviation::about(const torch::Tensor& point) const {
  TORCH_CHECK(!point.defined() || !mean_.defined() || point.sizes() == mean_.sizes(),
              "deviation: expected a point ", mean_.sizes(), ", got ", point.sizes());
  if (rows_ == 0) return 0;
  const torch::NoGradGuard no_grad;
  const auto distance = point.defined() ? mean_ - point.to(mean_.device()) : mean_;
  return squares_ + static_cast<double>(rows_) * distance.square().sum().item<double>();
}

void ExplainedVariance::add(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  rows_.add(rows);
  residual_.add(rows.to(torch::kFloat64) - reconstruction);
}

double ExplainedVariance::value() const {
  return explained_variance(rows_, residual_);
}

double explained_variance(const Deviation& rows, const Deviation& residual) {
  return rows.value() > 0 ? 1 - residual.value() / rows.value() : NAN;
}

}  // namespace msae::eval
