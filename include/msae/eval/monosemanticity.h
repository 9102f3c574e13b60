/// \file
/// Whether the embeddings that activate a latent are alike.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/core/export.h"

namespace msae::eval {

/// The monosemanticity score of Pach et al., arXiv 2504.02821, gathered batch by batch: for each latent the
/// mean cosine of all pairs of different rows, weighted by the product of their activations a,
/// sum_{n != m} a_n a_m cos(x_n, x_m) / sum_{n != m} a_n a_m. A zero row has cosine 0 to every other. Where
/// the smallest activation is 0, the paper's scaling of activations to [0, 1] changes nothing.
///
/// Sums are float64 and none is a difference of large numbers, so one strong row among weak ones costs no
/// digits. Order and batches of the rows change the scores by rounding only. Memory: latents x dim float64;
/// cost: rows x latents x dim, on the device of the tensors added.
class MSAE_EXPORT Monosemanticity {
 public:
  /// \param latents number of latents
  /// \param dim     length of the rows that are compared
  /// \throws std::invalid_argument when either is below 1
  /// \throws msae::Error when the sums do not fit into memory
  Monosemanticity(std::int64_t latents, std::int64_t dim);

  /// Takes a batch.
  /// \param latents [rows, latents], activations of those rows, none below 0
  /// \param rows    [rows, dim], embeddings in whichever space they shall be compared
  /// \throws c10::Error when the shapes do not fit, an activation is negative, or a number is NaN or Inf
  void add(const torch::Tensor& latents, const torch::Tensor& rows);

  /// \return [latents], float64, from -1 to 1; NaN for latents that are active on fewer than two rows
  torch::Tensor scores() const;

 private:
  void add_block(const torch::Tensor& activations, const torch::Tensor& units);

  torch::Tensor activations_;  ///< [latents], their sums over the rows so far
  torch::Tensor directions_;   ///< [latents, dim], sums of unit rows, weighted by the activations
  torch::Tensor weights_;      ///< [latents], sums over pairs of the product of activations
  torch::Tensor cosines_;      ///< [latents], the same times the pair's cosine
};

}  // namespace msae::eval
