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

/// Size and kind of a model, and how it starts. Directions are drawn as torch.nn.init.kaiming_uniform_ draws
/// them (He et al., arXiv 1502.01852), then brought to the norms below.
struct MSAE_EXPORT SparseAutoencoderOptions {
  std::int64_t dim = 0;            ///< length of an embedding
  std::int64_t latents = 0;        ///< size of the dictionary
  Activation activation = TopK{};  ///< how pre-activations become latents
  std::uint64_t seed = 42;         ///< of the initial dictionary
  /// Initial norm of decoder rows. 1: what training keeps them at.
  double decoder_norm = 1.0;
  /// Initial norm of encoder rows, parallel to the decoder's. Small, so that the first reconstructions, the
  /// sum of hundreds of latents in the widest level, do not overshoot.
  double encoder_norm = 0.1;

  /// Checks every field.
  /// \throws std::invalid_argument naming the field and the value
  /// \throws msae::Error when such a dictionary does not fit into the memory that is free
  void validate() const;
};

/// Where on its sparsity axis a model is asked to work.
struct MSAE_EXPORT OperatingPoint {
  /// What decides how many latents are kept.
  enum class Kind {
    trained,  ///< relu: all positives; topk: its k; batch-topk: its threshold; matryoshka: its first level
    level,    ///< one matryoshka level, counted from 0; other kinds have level 0 alone, which is as trained
    all,      ///< every positive latent
    top       ///< the k largest positive latents, whatever the model was trained for
  };
  Kind kind = Kind::trained;  ///< which of them
  std::int64_t value = 0;     ///< level index or k

  /// As the model was trained.
  static OperatingPoint trained() { return {}; }
  /// A matryoshka level, from 0, the sparsest.
  static OperatingPoint level(std::int64_t index) { return {Kind::level, index}; }
  /// Every positive latent.
  static OperatingPoint all() { return {Kind::all, 0}; }
  /// The k largest positive latents of each row, k from 0 to all.
  static OperatingPoint top(std::int64_t k) { return {Kind::top, k}; }

  /// "trained", "level 1" (which is level(0)), "all" or "k=32".
  std::string label() const;
};

/// A sparse autoencoder over raw embeddings. With x [rows, dim], u in model space, and z [rows, latents]:
///
///     u = (x - mean) * scale,  p = (u - pre_bias) encoder^T + latent_bias,  z = select(relu(p)),
///     u^ = z decoder + pre_bias,  x^ = u^ / scale + mean.
///
/// encode() takes raw embeddings and decode() gives them back; the model space of u is visible only through
/// normalise(). A torch::nn::Module: parameters(), to(), a submodule of a user's network. All of it is
/// differentiable but the choice of latents, which counts as a constant. Ties go to the lower index.
///
/// Functions throw c10::Error when the shape of a tensor does not fit; the message has both shapes.
class MSAE_EXPORT SparseAutoencoder : public torch::nn::Module {
 public:
  /// A model as it is before training, float32 on the CPU, with mean 0, scale 1, and biases and threshold 0.
  /// \throws std::invalid_argument naming the option
  /// \throws msae::Error when there is not enough memory
  explicit SparseAutoencoder(SparseAutoencoderOptions options);

  /// What it was made from.
  const SparseAutoencoderOptions& options() const { return options_; }
  /// Length of an embedding.
  std::int64_t dim() const { return options_.dim; }
  /// Size of the dictionary.
  std::int64_t latents() const { return options_.latents; }
  /// The kind of model and its k or levels.
  const Activation& activation() const { return options_.activation; }

  /// Number of nesting levels: 1 for every kind but matryoshka.
  std::int64_t level_count() const;

  /// Sets the statistics of the data; train::Trainer does so itself.
  /// \param mean  [dim]
  /// \param scale positive and finite
  /// \throws c10::Error otherwise
  void set_statistics(const torch::Tensor& mean, double scale);

  /// Latents of raw embeddings.
  /// \param embeddings [rows, dim]
  /// \param point      how many latents to keep
  /// \return [rows, latents], not negative
  /// \throws c10::Error when the shape does not fit, or the model has no such point
  torch::Tensor encode(const torch::Tensor& embeddings, OperatingPoint point = {});
  /// Raw embeddings [rows, dim] from latents [rows, latents].
  torch::Tensor decode(const torch::Tensor& latents);
  /// decode(encode(embeddings)), as trained: [rows, dim] to [rows, dim].
  torch::Tensor forward(const torch::Tensor& embeddings);
  /// Raw reconstructions [levels, rows, dim] of raw embeddings [rows, dim], the sparsest level first.
  torch::Tensor levels(const torch::Tensor& embeddings);

  /// Raw embeddings x [rows, dim] to model space: u = (x - mean) * scale.
  torch::Tensor normalise(const torch::Tensor& embeddings) const;
  /// Model space u [..., dim] back to raw embeddings: x = u / scale + mean.
  torch::Tensor denormalise(const torch::Tensor& normalised) const;
  /// Pre-activations p [rows, latents] of normalised embeddings [rows, dim].
  torch::Tensor pre_activations(const torch::Tensor& normalised) const;
  /// Which entries an operating point keeps, of pre-activations [rows, latents]: [rows, latents] bool.
  /// \throws c10::Error when the model has no such point
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
