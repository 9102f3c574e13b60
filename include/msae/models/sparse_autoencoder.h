/// \file
/// The model: an encoder, an activation and a dictionary, with the statistics of the data it was trained on.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <string>

#include "msae/core/export.h"
#include "msae/models/activation.h"

namespace msae::models {

struct MSAE_EXPORT SparseAutoencoderOptions {
  std::int64_t dim = 0;      ///< length of an embedding
  std::int64_t latents = 0;  ///< size of the dictionary
  Activation activation = TopK{};
  std::uint64_t seed = 42;  ///< of the initial dictionary
  /// Initial norm of decoder rows. 1: what training keeps them at.
  double decoder_norm = 1.0;
  /// Initial norm of encoder rows, parallel to the decoder's. Small, so that the first reconstructions, the
  /// sum of hundreds of latents in the widest level, do not overshoot.
  double encoder_norm = 0.1;

  void validate() const;  ///< \throws std::invalid_argument naming the field and the value
};

/// Where on its sparsity axis a model is asked to work.
struct OperatingPoint {
  enum class Kind {
    trained,  ///< relu: all positives; topk: its k; batch-topk: its threshold; matryoshka: its first level
    level,    ///< one matryoshka level, counted from 0
    all,      ///< every positive latent
    top       ///< the k largest positive latents, whatever the model was trained for
  };
  Kind kind = Kind::trained;
  std::int64_t value = 0;  ///< level index or k

  static OperatingPoint trained() { return {}; }
  static OperatingPoint level(std::int64_t index) { return {Kind::level, index}; }
  static OperatingPoint all() { return {Kind::all, 0}; }
  static OperatingPoint top(std::int64_t k) { return {Kind::top, k}; }
};

/// A sparse autoencoder over raw embeddings x [rows, dim]:
///   u = (x - mean) * scale,  p = (u - pre_bias) encoder^T + latent_bias,  z = select(relu(p)),
///   u^ = z decoder + pre_bias,  x^ = u^ / scale + mean.
/// encode() takes raw embeddings and decode() gives them back; the model space of u is visible only through
/// normalise(). A torch::nn::Module: parameters(), to(), a submodule of a user's network.
class MSAE_EXPORT SparseAutoencoder : public torch::nn::Module {
 public:
  explicit SparseAutoencoder(SparseAutoencoderOptions options);

  const SparseAutoencoderOptions& options() const { return options_; }
  std::int64_t dim() const { return options_.dim; }
  std::int64_t latents() const { return options_.latents; }
  const Activation& activation() const { return options_.activation; }

  /// Number of nesting levels: 1 for every kind but matryoshka.
  std::int64_t level_count() const;

  /// Sets the statistics of the data. \param mean [dim]  \param scale positive
  void set_statistics(const torch::Tensor& mean, double scale);

  /// Latents [rows, latents] of raw embeddings [rows, dim]. \throws c10::Error when the shape does not fit
  torch::Tensor encode(const torch::Tensor& embeddings, OperatingPoint point = {});
  /// Raw embeddings [rows, dim] from latents [rows, latents].
  torch::Tensor decode(const torch::Tensor& latents);
  /// decode(encode(embeddings)), as trained.
  torch::Tensor forward(const torch::Tensor& embeddings);
  /// Raw reconstructions [levels, rows, dim], the sparsest level first.
  torch::Tensor levels(const torch::Tensor& embeddings);

  /// Raw embeddings to model space and back.
  torch::Tensor normalise(const torch::Tensor& embeddings) const;
  torch::Tensor denormalise(const torch::Tensor& normalised) const;
  /// Pre-activations p [rows, latents] of normalised embeddings [rows, dim].
  torch::Tensor pre_activations(const torch::Tensor& normalised) const;
  /// Which entries an operating point keeps, of pre-activations [rows, latents]: [rows, latents] bool.
  torch::Tensor selection(const torch::Tensor& pre, OperatingPoint point = {}) const;

  torch::Tensor encoder;      ///< parameter [latents, dim]
  torch::Tensor decoder;      ///< parameter [latents, dim]: the dictionary, a row per latent
  torch::Tensor latent_bias;  ///< parameter [latents]
  torch::Tensor pre_bias;     ///< parameter [dim]
  torch::Tensor mean;         ///< buffer [dim], of the training data
  torch::Tensor scale;        ///< buffer [], of the training data
  torch::Tensor threshold;  ///< buffer [], pre-activation above which batch-topk keeps a latent at inference

 private:
  SparseAutoencoderOptions options_;
};

}  // namespace msae::models
