#include "train/step_counters.h"

#include <limits>
#include <stdexcept>
#include <string>

#include "msae/core/error.h"
#include "train/saved_tensor.h"

namespace msae::train {
namespace {

enum Sum { loss_sum, residual_sum, deviation_sum, active_sum, row_sum, sum_count };

// The threshold of models that choose over batches is a mean of all batches' own, in which late ones count
// more, as weights still change: about the last ninth decides (polynomial-decay averaging, Shamir and Zhang,
// ICML 2013, with this exponent).
constexpr double threshold_exponent = 8;

}  // namespace

StepCounters::StepCounters(const models::SparseAutoencoder& model, const TrainOptions& options)
    : batch_size_(options.batch_size.value()),
      dead_after_(options.dead_after),
      weigh_short_batch_(options.weigh_short_batch) {
  const auto counters = torch::TensorOptions().device(model.decoder.device());
  sums_ = torch::zeros({sum_count}, counters.dtype(torch::kFloat64));
  last_active_ = torch::zeros({model.latents()}, counters.dtype(torch::kInt64));
}

void StepCounters::add(std::int64_t rows, const torch::Tensor& sums, const torch::Tensor& fired) {
  advance(rows);
  const auto seen = static_cast<double>(rows);
  sums_.slice(0, residual_sum, row_sum).add_(sums.slice(0, residual_sum, row_sum));
  sums_.slice(0, loss_sum, residual_sum)
      .add_(sums.slice(0, loss_sum, residual_sum), seen * loss_weight(rows));
  sums_.slice(0, row_sum, sum_count).add_(seen);
  last_active_.masked_fill_(fired, rows_seen_);
}

void StepCounters::advance(std::int64_t rows) {
  rows_seen_ += rows;
  ++steps_;
}

double StepCounters::loss_weight(std::int64_t rows) const {
  if (!weigh_short_batch_ || rows >= batch_size_) return 1;
  return static_cast<double>(batch_size_) / static_cast<double>(rows);
}

StepMetrics StepCounters::take() {
  const auto sums = sums_.to(torch::kCPU, sums_.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  const auto* s = sums.const_data_ptr<double>();
  sums_.zero_();
  StepMetrics metrics;
  if (s[row_sum] == 0) return metrics;
  metrics.loss = s[loss_sum] / s[row_sum];
  metrics.fvu = s[deviation_sum] > 0 ? s[residual_sum] / s[deviation_sum] : 0;
  metrics.active = s[active_sum] / s[row_sum];
  metrics.dead = dead().sum().item<std::int64_t>();
  return metrics;
}

torch::Tensor StepCounters::dead() const {
  return rows_seen_ - last_active_ > dead_after_;
}

void StepCounters::revive(const torch::Tensor& which) {
  last_active_.masked_fill_(which, rows_seen_);
}

void StepCounters::save(TensorMap& state) const {
  state["engine.last_active"] = last_active_;
  state["engine.sums"] = sums_;
  state["engine.counters"] = torch::tensor({rows_seen_, steps_}, torch::kInt64);
}

void StepCounters::restore(const TensorMap& state) {
  const auto counters = saved_tensor(state, "engine.counters", torch::zeros({2}, torch::kInt64));
  if (counters.lt(0).any().item<bool>()) throw IoError("engine.counters are negative");
  rows_seen_ = counters[0].item<std::int64_t>();
  steps_ = counters[1].item<std::int64_t>();
  last_active_.copy_(saved_tensor(state, "engine.last_active", last_active_));
  sums_.copy_(saved_tensor(state, "engine.sums", sums_));
}

double weight_of(std::int64_t rows, const TrainOptions& options) {
  if (!options.weigh_short_batch || rows >= options.batch_size) return 1;
  return static_cast<double>(rows) / static_cast<double>(*options.batch_size);
}

void follow_threshold(models::SparseAutoencoder& model, const torch::Tensor& smallest_kept,
                      std::int64_t steps) {
  const double rate = (1 + threshold_exponent) / (static_cast<double>(steps + 1) + threshold_exponent);
  // A batch without a latent says nothing.
  const auto target = torch::where(smallest_kept.isinf(), model.threshold, smallest_kept);
  model.threshold.add_(rate * (target - model.threshold));
}

double epsilon_of(const torch::Tensor& t) {
  return t.scalar_type() == torch::kFloat64 ? std::numeric_limits<double>::epsilon()
                                            : double{std::numeric_limits<float>::epsilon()};
}

void check(const models::SparseAutoencoder& model, const TrainOptions& options) {
  options.validate();
  options.require_complete();
  if (options.l1 > 0 && std::holds_alternative<models::Matryoshka>(model.activation())) {
    throw std::invalid_argument("l1: a matryoshka model has no L1 loss; its sparsity comes from its levels");
  }
  if (options.l0 > 0 && !std::holds_alternative<models::JumpRelu>(model.activation())) {
    throw std::invalid_argument("l0: is for jump-relu, not for " + models::kind(model.activation()));
  }
  if (options.unit_norm == UnitNorm::before_step && model.options().tied) {
    throw std::invalid_argument(
        "unit_norm: the published order rescales the encoder against the decoder, but " +
        std::string("in a tied model they are one; choose after_step or never"));
  }
}

}  // namespace msae::train
