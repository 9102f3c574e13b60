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
#include "msae/models/sparse_autoencoder.h"

namespace msae::eval {

struct MSAE_EXPORT EvalOptions {
  std::vector<std::int64_t> k = {};  ///< further operating points: the k largest positive latents of each row
  /// Take cosine, nmae and fvu_per_sample in the centred space of the model's mean instead of the original
  /// space.
  bool centred = false;
  std::int64_t batch_size = 4096;  ///< rows at a time; changes the results by rounding only

  void validate() const;  ///< \throws std::invalid_argument
};

/// One operating point. Sums over rows are float64.
struct Point {
  std::string label;              ///< "trained", "level 1", ..., "all", "k=32"
  std::optional<std::int64_t> k;  ///< latents kept at most, where the point has such a bound
  double active = 0;              ///< mean latents > 0 per row (L0)
  double sparsity = 0;            ///< share of latents that are zero
  double fvu = 0;  ///< sum of squared residuals / sum of squared deviations from the set's own mean
  double fvu_per_sample = 0;  ///< mean over rows of var(residual) / var(row), variances across coordinates
  double cosine = 0;          ///< mean over rows of the cosine of row and reconstruction
  double nmae = 0;            ///< mean over rows of mean |residual| / mean |row|
  double dead_fraction = 0;   ///< share of latents that no row activates at this point
};

struct Evaluation {
  std::string model;  ///< kind of activation
  std::string data;
  std::int64_t rows = 0, dim = 0, latents = 0;
  bool centred = false;
  double decoder_orthogonality = 0;  ///< see metrics.h
  double dead_fraction = 0;          ///< of the widest point, "all"
  std::vector<Point> points;         ///< trained, each level, all, each k
};

/// Rows whose ratio does not exist (a zero row's cosine, a constant row's fvu_per_sample) are left out of
/// that mean. Memory: a few times batch_size x latents, whatever the number of rows. \param progress called
/// with the share of rows done \throws std::invalid_argument when data and model differ in dimension or a k
/// is impossible; msae::IoError
MSAE_EXPORT Evaluation evaluate(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                const EvalOptions& options = {},
                                const std::function<void(double)>& progress = {});

}  // namespace msae::eval
