/// \file
/// The model as programs have it that know no statistics of the data.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <string>

#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// Mean m and scale t folded in: the same latents and reconstructions of raw embeddings, to rounding. With
/// mean 0 and scale 1 the tensors are the model's own, bit for bit.
struct FoldedModel {
  torch::Tensor encoder;      ///< t encoder [latents, dim]
  torch::Tensor decoder;      ///< decoder / t [latents, dim]
  torch::Tensor latent_bias;  ///< [latents]
  torch::Tensor pre_bias;     ///< m + pre_bias / t [dim]: subtracted before encoding, added after decoding
};

/// Computed in float64, then stored as `type`; on the CPU.
/// \throws msae::Error when there is not enough memory for it
FoldedModel fold(const models::SparseAutoencoder& model, c10::ScalarType type);

/// float64 where the model's weights are, else float32.
c10::ScalarType stored_type(const models::SparseAutoencoder& model);

/// c W^T [latents], in float64: what a model that subtracts c [dim] before it multiplies by W [latents, dim]
/// has less of in its pre-activations than one that does not.
torch::Tensor encoded_centre(const torch::Tensor& centre, const torch::Tensor& encoder);

/// Thresholds [latents] of a jump-relu model, in float64.
torch::Tensor jump_thresholds(const models::SparseAutoencoder& model);
/// The logarithms that the model keeps. A threshold may be 0 or less in other programs: every positive latent
/// is above it.
torch::Tensor log_thresholds(const torch::Tensor& thresholds);

/// \param program as messages name it
/// \throws std::invalid_argument for a model that does more than scale, subtract and rank by value
void require_plain(const models::SparseAutoencoder& model, const std::string& program);

/// A warning of what other programs have no place for, and which changes neither encode() nor decode().
void warn_of_lost_parts(const models::SparseAutoencoder& model, const std::filesystem::path& path);

}  // namespace msae::io
