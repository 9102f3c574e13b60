#include "msae/eval/evaluator.h"

#include <stdexcept>

#include "eval/point_codes.h"
#include "eval/point_sums.h"
#include "io/model_rows.h"
#include "msae/core/error.h"
#include "msae/eval/orthogonality.h"

namespace msae::eval {
namespace {

class Pass {
 public:
  Pass(const models::SparseAutoencoder& model, const EvalOptions& options)
      : model_(model),
        centred_(options.centred),
        codes_(model, options.k),
        sums_(codes_.count(), PointSums(model.latents(), options.activity)) {}

  // False where the model's numbers overflow.
  bool add(const torch::Tensor& rows) {
    const auto normalised = model_.normalise(rows);
    deviation_.add(normalised);
    bool fits = true;
    codes_.for_each(
        normalised, [&](std::size_t code, const torch::Tensor& latents, const torch::Tensor& reconstruction) {
          fits = fits && sums_[code].add(latents, normalised, reconstruction, centred_ ? normalised : rows,
                                         centred_ ? reconstruction : model_.denormalise(reconstruction));
        });
    return fits;
  }

  void finish(Evaluation& evaluation) const {
    for (const auto& placed : codes_.points()) {
      Point point{.label = placed.label, .k = placed.k};
      sums_[placed.code].finish(point, deviation_);
      if (placed.at.kind == models::OperatingPoint::Kind::all) evaluation.dead_fraction = point.dead_fraction;
      evaluation.points.push_back(std::move(point));
    }
    evaluation.fvu_without_latents =
        deviation_.value() > 0 ? deviation_.about(model_.pre_bias) / deviation_.value() : 0;
  }

 private:
  const models::SparseAutoencoder& model_;
  bool centred_;
  PointCodes codes_;
  std::vector<PointSums> sums_;  ///< one per code
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
  io::for_each_batch(model, data, options.batch_size, progress, [&](std::int64_t, const torch::Tensor& rows) {
    if (pass.add(rows)) return;
    throw Error(data.name() + ": reconstructions overflow float32; are the rows on the scale of those that " +
                "the model was trained on?");
  });

  Evaluation evaluation;
  evaluation.model = models::kind(model.activation());
  evaluation.data = data.origin();
  evaluation.view = data.treatment();
  evaluation.rows = data.rows();
  evaluation.dim = data.dim();
  evaluation.latents = model.latents();
  evaluation.centred = options.centred;
  evaluation.decoder_orthogonality = decoder_orthogonality(model.decoder);
  pass.finish(evaluation);
  return evaluation;
}

}  // namespace msae::eval
