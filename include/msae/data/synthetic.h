/// \file
/// CLIP-like embeddings with a known concept hierarchy: what a dictionary ought to find, so that one can see
/// whether it did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

class Random;

/// Parameters of the generator. Concepts are the nodes of a forest, and one is active only where its parent
/// is. With a_j the amplitudes of the active concepts (mean 1, standard deviation 1/2, at least 1/2) and d_j
/// their directions, a row is
///
///     x = y / ||y||,   y = m + t (sum_j a_j d_j - its mean) + noise,
///
/// where m is orthogonal to the concepts and the noise, ||m|| = mean_norm, and t such that m is the rows'
/// mean.
struct MSAE_EXPORT SyntheticOptions {
  std::int64_t rows = 20'000;   ///< embeddings; drawn on demand, so that more cost nothing
  std::int64_t dim = 128;       ///< length of an embedding, at least 3
  std::int64_t concepts = 256;  ///< nodes of the forest, all depths together
  std::int64_t depth = 3;       ///< levels of each tree; 1: concepts without a hierarchy
  std::int64_t branching = 2;   ///< children of an inner node
  double active = 12;           ///< mean number of active concepts of a row
  /// Exponent of the frequencies by rank, from 0 to 10: rank^-zipf among siblings, (rank + 2.7)^-zipf among
  /// roots (Zipf's and Mandelbrot's law), none above 0.9.
  double zipf = 1.0;
  double parent_cosine = 0.3;  ///< cosine of a child's direction to its parent's, in [0, 1)
  double mean_norm = 0.7;      ///< norm of the common mean of the unit-norm rows, in [0, 1)
  double noise = 0.05;         ///< share of the energy around the mean that is noise, in [0, 1)
  std::uint64_t seed = 42;     ///< of the concepts and of every row

  /// Checks every field.
  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// The truth behind the rows.
struct SyntheticTruth {
  std::int64_t dim = 0;              ///< length of a concept's direction
  std::vector<float> dictionary;     ///< [concepts, dim], unit rows
  std::vector<std::int32_t> parent;  ///< [concepts], -1 for a root; a parent comes before its children
  std::vector<std::int32_t> depth;   ///< [concepts], 1 for a root
  std::vector<double> frequency;     ///< [concepts], probability of being active
  /// Number of concepts.
  std::int64_t concepts() const { return static_cast<std::int64_t>(parent.size()); }
};

/// The active concepts of one row.
struct SyntheticCode {
  std::vector<std::int32_t> concepts;  ///< ascending
  std::vector<float> amplitudes;       ///< positive, in units of the (unit-norm) row
};

/// Rows drawn on demand; row i depends on (options, i) alone, so that any part can be read in any order.
class MSAE_EXPORT SyntheticHierarchy final : public EmbeddingSource {
 public:
  /// Grows the forest and settles the scales on a sample of rows; draws none of the rows yet.
  /// \throws std::invalid_argument naming the field: impossible, or `active` beyond what the forest can reach
  /// \throws msae::Error when there is not enough memory for the concepts
  explicit SyntheticHierarchy(SyntheticOptions options = {});

  std::int64_t rows() const override { return options_.rows; }
  std::int64_t dim() const override { return options_.dim; }
  std::string name() const override { return "synthetic hierarchy"; }

  /// What it was made from.
  const SyntheticOptions& options() const { return options_; }
  /// The dictionary and the forest that every row is made of.
  const SyntheticTruth& truth() const { return truth_; }
  /// What row `row` is made of: x = sum of amplitudes * dictionary rows, up to the mean and the noise.
  /// \throws std::invalid_argument when there is no such row
  SyntheticCode code(std::int64_t row) const;

 private:
  struct Row;
  void calibrate();
  void draw_parts(Random& random, Row& row) const;
  void draw(std::int64_t index, Row& row) const;
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override;

  SyntheticOptions options_;
  SyntheticTruth truth_;
  std::vector<double> conditional_;     ///< [concepts], probability given that the parent is active
  std::vector<std::int32_t> after_;     ///< [concepts], the first concept that is not below this one
  std::vector<double> mean_direction_;  ///< [dim], of m, unit norm
  std::vector<double> mean_signal_;     ///< [dim], expectation of sum_j a_j d_j
  double signal_scale_ = 1;             ///< t
  double noise_scale_ = 1;              ///< standard deviation per coordinate
};

/// Writes rows and truth to an HDF5 file, whole or not at all; an older file of that name is replaced. It
/// holds /embeddings [rows, dim] float32, and under /truth: dictionary [concepts, dim], parent, depth,
/// frequency [concepts], and codes as CSR (indptr [rows + 1], indices and values [active concepts of all
/// rows]).
/// \param data     rows to write
/// \param file     where
/// \param progress called with the share of rows written; may throw to stop, which leaves no file
/// \throws msae::IoError when the file cannot be written
MSAE_EXPORT void write_synthetic(SyntheticHierarchy& data, const std::filesystem::path& file,
                                 const std::function<void(double)>& progress = {});

/// Reads the truth of such a file back.
/// \throws msae::IoError when it holds none
MSAE_EXPORT SyntheticTruth read_truth(const std::filesystem::path& file);

}  // namespace msae::data
