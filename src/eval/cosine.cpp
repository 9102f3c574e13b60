#include "msae/eval/cosine.h"

#include "eval/row_metrics.h"

namespace msae::eval {

torch::Tensor cosine_per_row(const torch::Tensor& rows, const torch::Tensor& reconstruction) {
  check_pair(rows, reconstruction);
  const torch::NoGradGuard no_grad;
  const auto x = rows.to(torch::kFloat64), y = reconstruction.to(torch::kFloat64);
  return ratio((x * y).sum(1), x.norm(2, 1) * y.norm(2, 1));
}

}  // namespace msae::eval
