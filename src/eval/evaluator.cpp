#include "msae/eval/evaluator.h"

#include <algorithm>
#include <stdexcept>

#include "eval/point_cknna.h"
#include "eval/point_codes.h"
#include "eval/point_sums.h"
#include "io/model_rows.h"
#include "models/refined_codes.h"
#include "models/sparse_codes.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/eval/orthogonality.h"

namespace msae::eval {
namespace {

// Neighbours of a row in CKNNA: there have to be more rows.
constexpr std::int64_t neighbours = 10;

bool is(const PlacedPoint& placed, models::OperatingPoint::Kind kind) {
  return placed.at.kind == kind;
}

class Pass {
 public:
  Pass(models::SparseAutoencoder& model, std::int64_t rows, const EvalOptions& options)
      : model_(model),
        options_(options),
        codes_(model, options.k, options.coding, rows),
        sample_(options.cknna_rows, rows) {
    for (std::size_t i = 0; i < codes_.count(); ++i) {
      sums_.emplace_back(model.latents());
      if (options.activity) sums_.back().watch_activity();
    }
    if (!options.monosemanticity) return;
    for (const auto& placed : codes_.points()) {
      if (is(placed, models::OperatingPoint::Kind::trained) || is(placed, models::OperatingPoint::Kind::all))
        sums_[placed.code].watch_monosemanticity(model.dim());
    }
  }

  // What of the work is the rows' own: a guess, in products of numbers.
  double share() const {
    const auto rows = static_cast<double>(sample_.of()) * static_cast<double>(model_.dim());
    const auto pairs = static_cast<double>(sample_.count()) * static_cast<double>(sample_.count());
    return rows / (rows + pairs);
  }

  // False where the model's numbers overflow.
  bool add(std::int64_t first, const torch::Tensor& rows) {
    const auto normalised = model_.normalise(rows);
    deviation_.add(normalised);
    bias_.add(normalised - model_.restore_rows(model_.pre_bias.expand_as(normalised), normalised));
    sample_.add(first, rows);
    bool fits = true;
    codes_.for_each(
        normalised, [&](std::size_t code, const CodeLatents& latents, const torch::Tensor& reconstruction) {
          fits = fits &&
                 sums_[code].add(latents, normalised, reconstruction, options_.centred ? normalised : rows,
                                 options_.centred ? reconstruction : model_.denormalise(reconstruction));
        });
    return fits;
  }

  void compare_neighbours(const std::function<void(double)>& done) {
    if (sample_.count() == 0) return;
    cknna_ = cknna_of_codes(model_, codes_, sample_.rows(), options_.centred, options_.batch_size, done);
  }

  void finish(Evaluation& evaluation) const {
    for (const auto& placed : codes_.points()) {
      Point point{.label = placed.label, .k = placed.k, .codes = codes_.coding_of(placed.code).name()};
      sums_[placed.code].finish(point, deviation_);
      if (!cknna_.empty()) point.cknna = cknna_[placed.code];
      if (is(placed, models::OperatingPoint::Kind::all)) evaluation.dead_fraction = point.dead_fraction;
      evaluation.points.push_back(std::move(point));
    }
    evaluation.fvu_without_latents = deviation_.value() > 0 ? bias_.about() / deviation_.value() : 0;
  }

 private:
  models::SparseAutoencoder& model_;
  const EvalOptions& options_;
  PointCodes codes_;
  std::vector<PointSums> sums_;  ///< one per code
  Deviation deviation_, bias_;   ///< of the rows; of what the bias alone leaves
  RowSample sample_;
  std::vector<double> cknna_;  ///< one per code, where asked for
};

void check_memory(const models::SparseAutoencoder& model, std::int64_t cknna_rows, bool monosemanticity) {
  const auto latents = static_cast<std::uint64_t>(model.latents()),
             dim = static_cast<std::uint64_t>(model.dim());
  const auto rows = static_cast<std::uint64_t>(cknna_rows);
  require_memory(saturating_product(rows, saturating_product(latents + 2 * dim, sizeof(float))),
                 "the CKNNA of " + std::to_string(cknna_rows) + " rows and their " +
                     std::to_string(model.latents()) + " latents");
  if (!monosemanticity) return;
  constexpr std::uint64_t points = 2;
  require_memory(saturating_product(points * sizeof(double), saturating_product(latents, dim)),
                 "the monosemanticity of " + std::to_string(model.latents()) + " latents");
}

}  // namespace

void EvalOptions::validate() const {
  if (batch_size < 1) {
    throw std::invalid_argument("batch_size: must be at least 1, not " + std::to_string(batch_size));
  }
  for (const auto value : k) {
    if (value < 1) throw std::invalid_argument("k: must be at least 1, not " + std::to_string(value));
  }
  coding.validate();
  if (cknna_rows != 0 && cknna_rows <= neighbours) {
    throw std::invalid_argument("cknna_rows: must be 0 or at least " + std::to_string(neighbours + 1) +
                                ", not " + std::to_string(cknna_rows));
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
    if (k <= model.dim()) models::require_candidates(options.coding, k);
  }
  io::require_same_dim(model, data);
  if (options.cknna_rows > 0 && data.rows() <= neighbours) {
    throw std::invalid_argument("cknna_rows: needs at least " + std::to_string(neighbours + 1) +
                                " rows, but " + data.name() + " has " + std::to_string(data.rows()));
  }
  if (options.monosemanticity && model.options().ranking != models::Ranking::positive) {
    throw std::invalid_argument(
        "monosemanticity: is for models whose latents are not negative, not for one " +
        ("that ranks them by " + models::ranking_name(model.options().ranking)));
  }
  check_memory(model, std::min(options.cknna_rows, data.rows()), options.monosemanticity);
}

Evaluation evaluate(models::SparseAutoencoder& model, data::EmbeddingSource& data, const EvalOptions& options,
                    const std::function<void(double)>& progress) {
  check(model, data, options);
  const torch::NoGradGuard no_grad;
  Pass pass(model, data.rows(), options);
  const double share = pass.share();
  const auto tell = [&](double done) {
    if (progress) progress(done);
  };
  io::for_each_batch(
      model, data, models::rows_at_a_time(options.coding, options.batch_size),
      [&](double done) { tell(share * done); },
      [&](std::int64_t first, const torch::Tensor& rows) {
        if (pass.add(first, rows)) return;
        throw Error(data.name() +
                    ": reconstructions overflow float32; are the rows on the scale of those that " +
                    "the model was trained on?");
      });
  pass.compare_neighbours([&](double done) { tell(share + (1 - share) * done); });

  Evaluation evaluation;
  evaluation.model = models::kind(model.activation());
  evaluation.data = data.origin();
  evaluation.view = data.treatment();
  evaluation.rows = data.rows();
  evaluation.dim = data.dim();
  evaluation.latents = model.latents();
  evaluation.centred = options.centred;
  evaluation.codes = options.coding.name();
  evaluation.decoder_orthogonality = decoder_orthogonality(model.decoder);
  pass.finish(evaluation);
  return evaluation;
}

}  // namespace msae::eval
