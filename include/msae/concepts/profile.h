/// \file
/// What each latent does on a data set.
#pragma once

#include <cstdint>
#include <vector>

#include "msae/concepts/codes.h"
#include "msae/core/export.h"

namespace msae::concepts {

/// A row, and how much of a latent it has.
struct TopRow {
  std::int64_t row = 0;  ///< by its place among the codes
  float value = 0;       ///< of the latent
};

/// Another latent that is active on the same rows.
struct Companion {
  std::int32_t latent = 0;  ///< which
  double share = 0;         ///< of the rows that the one latent is active on, those with this one too
  double lift = 0;          ///< that share over this one's share of all rows: 1 where it is chance
};

/// One latent on a data set.
struct LatentProfile {
  std::int64_t rows = 0;  ///< it is active on
  double frequency = 0;   ///< share of all rows
  double mean = 0;        ///< mean magnitude where active; 0 where that is nowhere
  double typical = 0;     ///< mean value where active: as `mean`, but for signed latents
  float maximum = 0;      ///< largest magnitude
  double rank = 0;        ///< (lower) median over its rows of its place there by magnitude, from 1; 0: dead
  std::vector<TopRow> top = {};  ///< the rows with the largest magnitudes, descending, ties by row
  /// Those of lift above 1 with the largest products of share and log2(lift), descending.
  std::vector<Companion> companions = {};
};

/// What to look for.
struct MSAE_EXPORT ProfileOptions {
  std::int64_t top = 10;        ///< rows of each latent
  std::int64_t companions = 0;  ///< of each latent; those take a pass over the pairs of latents in a row

  /// \throws std::invalid_argument naming a field that is negative
  void validate() const;
};

/// Profiles of all latents. The rank tells coarse concepts, which are among the first latents of a row, from
/// fine ones: see level_of().
/// \return [latents]
/// \throws std::invalid_argument when an option is impossible
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT std::vector<LatentProfile> profiles(const Codes& codes, const ProfileOptions& options = {});

/// The first level of a model, from 0, that has room for a latent's typical rank: half of the rows that have
/// the latent have it at that level. -1 where the rank is 0 or beyond all levels, or the model is no
/// models::Matryoshka.
/// \param model whose levels
/// \param rank  of LatentProfile
MSAE_EXPORT std::int64_t level_of(const models::SparseAutoencoder& model, double rank);

}  // namespace msae::concepts
