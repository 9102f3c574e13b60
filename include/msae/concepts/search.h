/// \file
/// Rows that have the same concepts.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "msae/concepts/codes.h"
#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::concepts {

/// How alike two rows of latents a and b are, with a weight w of each latent. Larger is more alike.
enum class Similarity {
  cosine,    ///< sum w a b / sqrt(sum w a^2  sum w b^2); 0 where one of them has no length
  manhattan  ///< -sum w |a - b|
};

/// A latent, and how much of it.
struct QueryLatent {
  std::int32_t latent = 0;  ///< which
  float value = 0;          ///< as values of codes; negative: rows that have it are less alike
};

/// A row that was found.
struct Hit {
  std::int64_t row = 0;  ///< by its place among the codes
  float score = 0;       ///< Similarity
};

/// An inverted index: for each latent the rows that have it, so that a query looks at those of its own
/// latents alone. Exact. 6 bytes for every entry of the codes, 8 for every row and, for every 65,536 rows, 4
/// for every latent.
///
/// Any number of threads may search at the same time.
class MSAE_EXPORT LatentIndex {
 public:
  /// \param codes   rows to be found
  /// \param weights [latents], not negative and finite; empty: all 1
  /// \throws std::invalid_argument when the weights are impossible
  /// \throws msae::Error when there is not enough memory
  explicit LatentIndex(const Codes& codes, std::vector<float> weights = {});
  /// The other one can only be destroyed or assigned to.
  LatentIndex(LatentIndex&& other) noexcept;
  /// As above.
  LatentIndex& operator=(LatentIndex&& other) noexcept;
  ~LatentIndex();

  /// The rows most like a query, on LibTorch's threads.
  /// \param query      each latent once
  /// \param count      rows to find, at least 1
  /// \param similarity how to compare
  /// \return descending by score, ties by row; `count` of them, or all rows where there are fewer
  /// \throws std::invalid_argument when count is below 1, or a latent is there twice, is none, or not finite
  std::vector<Hit> search(const std::vector<QueryLatent>& query, std::int64_t count,
                          Similarity similarity = Similarity::cosine) const;

  std::int64_t rows() const;    ///< that can be found
  std::uint64_t bytes() const;  ///< of memory

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// One row of codes as a query.
MSAE_EXPORT std::vector<QueryLatent> query_of(const Codes& codes, std::int64_t row);

/// Weights for LatentIndex by inverse document frequency, log(rows / rows with the latent), squared as each
/// side of a product has it once: what all rows share tells nothing. 0 for latents of no row.
/// \return [latents]
MSAE_EXPORT std::vector<float> rarity_weights(const Codes& codes);

/// The rows with the largest cosine to each query, without a model: all rows are looked at.
/// \param data     raw embeddings [rows, dim]
/// \param queries  [queries, dim] float32
/// \param count    rows to find for each, at least 1
/// \param centre   [dim], taken from rows and queries first; undefined: nothing
/// \param progress called with the share of rows done; may throw to stop
/// \return [queries], descending by cosine, ties by row
/// \throws std::invalid_argument when count is below 1
/// \throws c10::Error when shapes do not fit, or queries or centre hold NaN or Inf
/// \throws msae::IoError when the data cannot be read
MSAE_EXPORT std::vector<std::vector<Hit>> nearest_rows(data::EmbeddingSource& data,
                                                       const torch::Tensor& queries, std::int64_t count,
                                                       const torch::Tensor& centre = {},
                                                       const std::function<void(double)>& progress = {});

}  // namespace msae::concepts
