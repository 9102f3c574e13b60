#include "msae/eval/nmae.h"

#include "eval/row_metrics.h"

namespace msae::eval {

torch::Tensor nmae_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64);
  return ratio((x - reconstruction).abs().mean(1), x.abs().mean(1));
}

}  // namespace msae::eval
