/// \file
/// Sources that show the rows of another one: normalised, without those that are no numbers, or split into a
/// part to train on and a part to evaluate on. A view holds no rows, and shares the source it looks at: one
/// thread at a time may read from all views of it together. A null source is a std::invalid_argument to all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

/// Rows divided by their Euclidean norm (taken in float64). A zero row, which has no direction, stays zero.
MSAE_EXPORT std::shared_ptr<EmbeddingSource> unit_rows(std::shared_ptr<EmbeddingSource> source);

/// What skip_bad_rows() gives.
struct GoodRows {
  std::shared_ptr<EmbeddingSource> rows = {};  ///< the source itself where nothing is skipped
  std::int64_t skipped = 0;                    ///< rows left out
  std::int64_t first_skipped = -1;             ///< the first of them, by its number in the file
};

/// Without the rows that hold NaN or Inf, which are found now, in one pass; takes 8 bytes for each.
/// \param source   to look through
/// \param progress called with the share of rows looked at; may throw to stop
/// \return the good rows, and how many there were of the others
/// \throws msae::IoError when no row is left, or as EmbeddingSource::read
MSAE_EXPORT GoodRows skip_bad_rows(std::shared_ptr<EmbeddingSource> source,
                                   const std::function<void(double)>& progress = {});

/// The part of a source to evaluate on, of two: it has one row of each stratum
///   [ceil(k / share), ceil((k + 1) / share)),  k = 0, 1, ...
/// that lies within the rows, drawn by a hash of k; without_held_out() has all others, both in order. The
/// split depends on the number of rows and the share alone, so whoever names the same share of the same file
/// means the same rows.
/// \param source whose rows are split
/// \param share  of the rows that is held out, between 0 and 1
/// \throws std::invalid_argument when the share is none
/// \throws msae::IoError when a part would be empty
MSAE_EXPORT std::shared_ptr<EmbeddingSource> held_out(std::shared_ptr<EmbeddingSource> source, double share);

/// The other part, to train on; as held_out().
MSAE_EXPORT std::shared_ptr<EmbeddingSource> without_held_out(std::shared_ptr<EmbeddingSource> source,
                                                              double share);

/// How a file is to be read: bad rows are skipped first, then rows held out, then norms taken.
struct MSAE_EXPORT ReadOptions {
  bool unit_rows = false;      ///< divide rows by their norm
  bool skip_bad_rows = false;  ///< leave out rows with NaN or Inf, which are an error otherwise
  double holdout = 0;          ///< share of the rows that is kept for evaluation; 0: none

  /// \throws std::invalid_argument when holdout is no share
  void validate() const;
};

/// A source as the options would have it.
struct Prepared {
  std::shared_ptr<EmbeddingSource> rows = {};      ///< to train on: without those held out
  std::shared_ptr<EmbeddingSource> held_out = {};  ///< to evaluate on; null without a holdout
  std::int64_t skipped = 0;                        ///< rows with NaN or Inf that were left out
  std::int64_t first_skipped = -1;                 ///< the first of them, by its number in the file

  /// The part to evaluate: the rows held out, or all rows where none are.
  const std::shared_ptr<EmbeddingSource>& evaluated() const { return held_out ? held_out : rows; }
};

/// Makes the views that the options ask for; skip_bad_rows looks through the source now.
/// \param source   rows as they are
/// \param options  what to make of them
/// \param progress as skip_bad_rows()
/// \return the parts
/// \throws std::invalid_argument for impossible options
/// \throws msae::IoError as skip_bad_rows() and held_out()
MSAE_EXPORT Prepared prepare(std::shared_ptr<EmbeddingSource> source, const ReadOptions& options,
                             const std::function<void(double)>& progress = {});

}  // namespace msae::data
