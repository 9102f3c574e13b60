#include "msae/eval/evaluator.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "io/model_rows.h"
#include "msae/core/error.h"
#include "msae/eval/metrics.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"

namespace msae::eval {
namespace {

// The mean of those entries that exist.
class PartialMean {
 public:
  void add(const torch::Tensor& per_row) {
    const auto exists = per_row.isnan().logical_not();
    sum_ += torch::where(exists, per_row, torch::zeros_like(per_row)).sum().item<double>();
    count_ += exists.sum().item<std::int64_t>();
  }
  double value() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

// The sums behind one Point.
class PointSums {
 public:
  explicit PointSums(std::int64_t latents) : fired_(torch::zeros({latents}, torch::kBool)) {}

  // All [rows, dim] but kept, [rows, latents] bool. `rows` and `shown` are in the space of the cosine.
  void add(const torch::Tensor& kept, const torch::Tensor& normalised, const torch::Tensor& reconstruction,
           const torch::Tensor& rows, const torch::Tensor& shown) {
    active_ += kept.sum().item<std::int64_t>();
    residual_ += (normalised - reconstruction).to(torch::kFloat64).square().sum().item<double>();
    fired_.logical_or_(kept.any(0).to(torch::kCPU));
    fvu_.add(fvu_per_row(rows, shown));
    cosine_.add(cosine_per_row(rows, shown));
    nmae_.add(nmae_per_row(rows, shown));
  }

  bool overflowed() const { return !std::isfinite(residual_); }

  void finish(Point& point, std::int64_t rows, double deviation) const {
    const auto latents = static_cast<double>(fired_.numel());
    point.active = static_cast<double>(active_) / static_cast<double>(rows);
    point.sparsity = 1 - point.active / latents;
    point.fvu = deviation > 0 ? residual_ / deviation : 0;
    point.fvu_per_sample = fvu_.value();
    point.cosine = cosine_.value();
    point.nmae = nmae_.value();
    point.dead_fraction = 1 - static_cast<double>(fired_.sum().item<std::int64_t>()) / latents;
  }

 private:
  std::int64_t active_ = 0;
  double residual_ = 0;
  torch::Tensor fired_;
  PartialMean fvu_, cosine_, nmae_;
};

// Sum of squared deviations of the rows from their own mean; rows are near zero mean already, which keeps the
// digits.
class Deviation {
 public:
  void add(const torch::Tensor& rows) {
    const auto wide = rows.to(torch::kFloat64);
    sum_ = sum_.defined() ? sum_ + wide.sum(0) : wide.sum(0);
    squares_ += wide.square().sum().item<double>();
    count_ += rows.size(0);
  }
  double value() const {
    return std::max(0.0, squares_ - sum_.square().sum().item<double>() / static_cast<double>(count_));
  }

 private:
  torch::Tensor sum_;
  double squares_ = 0;
  std::int64_t count_ = 0;
};

Point named(std::string label, std::optional<std::int64_t> k) {
  Point point;
  point.label = std::move(label);
  point.k = k;
  return point;
}

// Every point is the k largest positive latents for some k, but for batch-topk's threshold.
std::vector<Point> operating_points(const models::SparseAutoencoder& model, const EvalOptions& options) {
  std::vector<Point> points;
  const auto& activation = model.activation();
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) {
    points.push_back(named("trained", nested->levels.front()));
    for (std::size_t i = 0; i < nested->levels.size(); ++i) {
      const auto level = models::OperatingPoint::level(static_cast<std::int64_t>(i));
      points.push_back(named(level.label(), nested->levels[i]));
    }
  } else if (const auto* topk = std::get_if<models::TopK>(&activation)) {
    points.push_back(named("trained", topk->k));
  } else {
    points.push_back(named("trained", std::nullopt));
  }
  points.push_back(named("all", std::nullopt));
  for (const auto k : options.k) points.push_back(named(models::OperatingPoint::top(k).label(), k));
  return points;
}

class Pass {
 public:
  Pass(models::SparseAutoencoder& model, const EvalOptions& options)
      : model_(model), centred_(options.centred), points_(operating_points(model, options)) {
    for (const auto& point : points_) ks_.push_back(point.k.value_or(model.latents()));
    std::sort(ks_.begin(), ks_.end());
    ks_.erase(std::unique(ks_.begin(), ks_.end()), ks_.end());
    for (std::size_t i = 0; i < ks_.size(); ++i) sums_.emplace_back(model.latents());
    if (by_threshold()) threshold_sums_.emplace(model.latents());
  }

  void add(const torch::Tensor& rows) {
    const auto normalised = model_.normalise(rows);
    const auto pre = model_.pre_activations(normalised);
    const auto level = ops::nested_levels(model_.scores(pre), ks_);
    const auto latents = model_.dense_latents(pre);
    const auto decoded =
        ops::nested_decode(latents, level, model_.decoder, static_cast<std::int64_t>(ks_.size()));
    const auto reconstructions = model_.restore_rows(decoded + model_.pre_bias, normalised);
    const auto positive = model_.passing(pre);
    for (std::size_t i = 0; i < ks_.size(); ++i) {
      const auto index = static_cast<std::int64_t>(i);
      add_point(sums_[i], positive.logical_and(level <= index), rows, normalised, reconstructions[index]);
    }
    if (threshold_sums_) {
      const auto kept = model_.selection(pre);
      add_point(
          *threshold_sums_, kept, rows, normalised,
          model_.restore_rows(torch::addmm(model_.pre_bias, latents * kept, model_.decoder), normalised));
    }
    deviation_.add(normalised);
  }

  std::vector<Point> finish(const data::EmbeddingSource& data) {
    const double deviation = deviation_.value();
    for (auto& point : points_) {
      const auto& sums = sums_of(point);
      if (sums.overflowed()) {
        throw Error(data.name() +
                    ": reconstructions overflow float32; are the rows on the scale of those that " +
                    "the model was trained on?");
      }
      sums.finish(point, data.rows(), deviation);
    }
    return points_;
  }

 private:
  bool by_threshold() const { return !model_.top_k(models::OperatingPoint::trained()); }

  const PointSums& sums_of(const Point& point) const {
    if (threshold_sums_ && point.label == "trained") return *threshold_sums_;
    const auto found = std::lower_bound(ks_.begin(), ks_.end(), point.k.value_or(model_.latents()));
    return sums_[static_cast<std::size_t>(found - ks_.begin())];
  }

  void add_point(PointSums& sums, const torch::Tensor& kept, const torch::Tensor& rows,
                 const torch::Tensor& normalised, const torch::Tensor& reconstruction) const {
    sums.add(kept, normalised, reconstruction, centred_ ? normalised : rows,
             centred_ ? reconstruction : model_.denormalise(reconstruction));
  }

  models::SparseAutoencoder& model_;
  bool centred_;
  std::vector<Point> points_;
  std::vector<std::int64_t> ks_;  ///< ascending, distinct
  std::vector<PointSums> sums_;   ///< one per k
  std::optional<PointSums> threshold_sums_;
  Deviation deviation_;
};

}  // namespace

void EvalOptions::validate() const {
  if (batch_size < 1) {
    throw std::invalid_argument("batch_size: must be at least 1, not " + std::to_string(batch_size));
  }
  for (const auto value : k) {
    if (value < 1) throw std::invalid_argument("k: must be at least 1, not " + std::to_string(value));
  }
}

void check(const models::SparseAutoencoder& model, const data::EmbeddingSource& data,
           const EvalOptions& options) {
  options.validate();
  for (const auto k : options.k) {
    if (k > model.latents()) {
      throw std::invalid_argument("k: " + std::to_string(k) + " is more than the model's " +
                                  std::to_string(model.latents()) + " latents");
    }
  }
  io::require_same_dim(model, data);
}

Evaluation evaluate(models::SparseAutoencoder& model, data::EmbeddingSource& data, const EvalOptions& options,
                    const std::function<void(double)>& progress) {
  check(model, data, options);
  const torch::NoGradGuard no_grad;
  Pass pass(model, options);
  io::for_each_batch(model, data, options.batch_size, progress,
                     [&](std::int64_t, const torch::Tensor& rows) { pass.add(rows); });

  Evaluation evaluation;
  evaluation.model = models::kind(model.activation());
  evaluation.data = data.origin();
  evaluation.view = data.treatment();
  evaluation.rows = data.rows();
  evaluation.dim = data.dim();
  evaluation.latents = model.latents();
  evaluation.centred = options.centred;
  evaluation.decoder_orthogonality = decoder_orthogonality(model.decoder);
  evaluation.points = pass.finish(data);
  for (const auto& point : evaluation.points) {
    if (point.label == "all") evaluation.dead_fraction = point.dead_fraction;
  }
  return evaluation;
}

}  // namespace msae::eval
