// What the published scripts print of a model on a batch, by our metrics.
#pragma once

#include <map>
#include <string>

#include "msae/eval/metrics.h"
#include "msae/ops/losses.h"
#include "train/golden_case.h"

namespace msae::train {

/// What the published code says of a batch: of each row, or [1] of all of them; of the latents as trained
/// ("sparse") and of all that are positive.
inline std::map<std::string, torch::Tensor> quality(models::SparseAutoencoder& model,
                                                    const torch::Tensor& rows) {
  const torch::NoGradGuard no_grad;
  const auto f = forward(model, rows);
  std::map<std::string, torch::Tensor> result;
  const auto add = [&](const std::string& point, const torch::Tensor& z, const torch::Tensor& y) {
    result["fvu" + point] = eval::fvu_per_row(rows, y);
    result["cs" + point] = eval::cosine_per_row(rows, y);
    result["nmae" + point] = eval::nmae_per_row(rows, y);
    result["euclid" + point] = (rows - y).norm(2, 1);
    result["sparsity" + point] = (z == 0).to(torch::kFloat64).mean(1);
    result["dead" + point] = (z == 0).all(0).sum().to(torch::kFloat64).reshape({1});
    result["cknna" + point] = torch::full({1}, eval::cknna(rows, z), torch::kFloat64);
    result["cknna_of_reconstruction" + point] = torch::full({1}, eval::cknna(y, rows), torch::kFloat64);
  };
  add("_sparse", f.latents[0], f.reconstructions[0]);
  const auto all = model.decode(f.dense, rows);
  add("_all", f.dense, all);
  result["recon_loss"] = ops::nmse(all, rows).reshape({1});
  result["sparse_loss"] = ops::l1(f.dense, rows).reshape({1});
  return result;
}

}  // namespace msae::train
