/// \file
/// Embeddings with more, less or none of a concept.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::concepts {

/// What to do to one latent: z becomes factor * z + offset.
struct LatentEdit {
  std::int64_t latent = 0;  ///< which
  double factor = 1;        ///< of what it is
  double offset = 0;        ///< on top, as values of latents

  /// The same value in every row.
  static LatentEdit set(std::int64_t latent, double value) { return {latent, 0, value}; }
  /// So many times what it is.
  static LatentEdit scale(std::int64_t latent, double factor) { return {latent, factor, 0}; }
  /// None of it.
  static LatentEdit remove(std::int64_t latent) { return {latent, 0, 0}; }
};

/// What steering keeps.
struct MSAE_EXPORT SteeringOptions {
  models::OperatingPoint point = models::OperatingPoint::all();  ///< latents that a row has
  models::Coding coding = {};                                    ///< who finds them and their values
  /// Add what the reconstruction of a row misses, so that without an edit rows come back as they are, and an
  /// edit changes what it is about alone. Else the decoded latents are all there is.
  bool keep_residual = true;
};

/// Rows steered.
struct Steered {
  torch::Tensor before;      ///< [rows, latents]
  torch::Tensor after;       ///< [rows, latents]
  torch::Tensor embeddings;  ///< [rows, dim], raw
};

/// Encodes rows, edits their latents, and decodes them:
///
///     x' = x + (decode(z') - decode(z)),   z' = factor z + offset of the edited latents, one edit after the
///                                          other
///
/// \param model      encodes and decodes
/// \param embeddings [rows, dim], raw
/// \param edits      what to change
/// \param options    which latents a row has, and what is kept
/// \throws std::invalid_argument when there is no such latent, a number is not finite, or the coding is
///         impossible at that point
/// \throws c10::Error when the shape does not fit
/// \throws msae::Error when the result overflows
MSAE_EXPORT Steered steer(models::SparseAutoencoder& model, const torch::Tensor& embeddings,
                          const std::vector<LatentEdit>& edits, const SteeringOptions& options = {});

}  // namespace msae::concepts
