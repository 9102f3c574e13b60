/// \file
/// Where a model stands on the sparsity / reconstruction axis, in one streaming pass over a data set.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"
#include "msae/eval/activity.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::eval {

/// What to evaluate beside the points a model has of itself.
struct MSAE_EXPORT EvalOptions {
  /// Further operating points: the k largest positive latents of each row, from 1 to the model's latents.
  std::vector<std::int64_t> k = {};
  /// Take cosine, nmae, fvu_per_sample, cknna and monosemanticity in the centred space of the model's mean
  /// instead of the original space.
  bool centred = false;
  std::int64_t batch_size = 4096;  ///< rows at a time; changes the results by rounding only
  bool activity = false;           ///< fill Point::activity, which takes about half as long as the rest
  /// Fill Point::cknna, from that many rows at most, evenly spaced; 0: no. Each point costs rows^2 x latents,
  /// and [rows, latents] of memory.
  std::int64_t cknna_rows = 0;
  /// Fill Point::monosemanticity of the points "trained" and "all", which costs rows x latents x dim and
  /// [latents, dim] float64 of memory each. For models whose latents are not negative.
  bool monosemanticity = false;
  /// Who finds latents and values, at all points that keep no more than dim of a row, nor more than
  /// Coding::candidates, below which a k of its own may not be; wider ones stay the encoder's. Takes many
  /// times as long as the encoder.
  models::Coding coding = {};

  /// Checks every field.
  /// \throws std::invalid_argument when batch_size or a k is below 1, cknna_rows is from 1 to 10 or below 0,
  ///         or as Coding::validate()
  void validate() const;
};

/// One operating point. Sums over rows are float64. cosine, nmae, fvu_per_sample, cknna and monosemanticity
/// are of the original space unless EvalOptions::centred; the others are the same in every space.
struct Point {
  std::string label = {};              ///< "trained", "level 1", ..., "all", "k=32"
  std::optional<std::int64_t> k = {};  ///< latents kept at most, where the point has such a bound
  double active = 0;                   ///< mean active latents per row (L0)
  double sparsity = 0;                 ///< share of latents that are zero (the published L0)
  double fvu = 0;  ///< sum of squared residuals / sum of squared deviations from the set's own mean
  double explained_variance = 0;  ///< see eval::ExplainedVariance; NaN where the rows do not vary
  double fvu_per_sample = 0;  ///< mean over rows of var(residual) / var(row), variances across coordinates
  double cosine = 0;          ///< mean over rows of the cosine of row and reconstruction
  double nmae = 0;            ///< mean over rows of mean |residual| / mean |row|
  double dead_fraction = 0;   ///< share of latents that no row activates at this point
  std::int64_t never_active = 0;          ///< the number of those
  double mean_magnitude = 0;              ///< mean |z| of the active entries z; NaN without one
  std::optional<Activity> activity = {};  ///< where EvalOptions::activity asks for it
  /// eval::cknna() of the rows and the latents, 10 neighbours, where EvalOptions::cknna_rows asks for it.
  std::optional<double> cknna = {};
  /// Mean of Monosemanticity::scores() over the latents that have one, NaN where none has, where
  /// EvalOptions::monosemanticity asks for it; points that keep the same latents as these have it too.
  std::optional<double> monosemanticity = {};
  std::string codes = "encoder";  ///< whose, as Coding::name() has it: see EvalOptions::coding
};

/// What evaluate() found.
struct Evaluation {
  std::string model;                 ///< kind of activation, as models::kind() has it
  std::string data;                  ///< EmbeddingSource::origin()
  std::string view;                  ///< EmbeddingSource::treatment()
  std::int64_t rows = 0;             ///< of the data
  std::int64_t dim = 0;              ///< of the data and the model
  std::int64_t latents = 0;          ///< of the model
  bool centred = false;              ///< as EvalOptions::centred
  double decoder_orthogonality = 0;  ///< see eval::decoder_orthogonality()
  double dead_fraction = 0;          ///< of the widest point, "all"
  double fvu_without_latents = 0;    ///< FVU of pre_bias alone, where progressive_recovery() begins
  std::string codes = "encoder";     ///< Coding::name() of EvalOptions::coding
  std::vector<Point> points;         ///< trained, each level, all, each k
};

/// What evaluate() refuses, before any row is read.
/// \throws std::invalid_argument when data and model differ in dimension or an option is impossible
/// \throws msae::Error when what the options ask for does not fit into memory
MSAE_EXPORT void check(const models::SparseAutoencoder& model, const data::EmbeddingSource& data,
                       const EvalOptions& options);

/// Takes every operating point of a model in one pass over the data, on the model's device and in its
/// precision. Rows whose ratio does not exist (a zero row's cosine, a constant row's fvu_per_sample) are left
/// out of that mean. Memory: a few times batch_size x latents, whatever the number of rows.
/// \param model    is not changed
/// \param data     raw embeddings [rows, dim]
/// \param options  further points, the space of some metrics, rows at a time
/// \param progress called with the share of the work done, from 0 to 1, after each batch, and after each
///                 point's CKNNA; may be empty
/// \return the points: as trained, each level of a matryoshka model, all latents, each of EvalOptions::k
/// \throws std::invalid_argument when data and model differ in dimension or an option is impossible
/// \throws msae::IoError when the data cannot be read
/// \throws msae::Error when the numbers overflow, or something does not fit into memory
MSAE_EXPORT Evaluation evaluate(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                const EvalOptions& options = {},
                                const std::function<void(double)>& progress = {});

}  // namespace msae::eval
