/// \file
/// The model: an encoder, an activation and a dictionary, with the statistics of the data it was trained on.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "msae/core/export.h"
#include "msae/models/activation.h"
#include "msae/models/coding.h"
#include "msae/models/model_options.h"
#include "msae/models/operating_point.h"

namespace msae::models {

/// A sparse autoencoder over raw embeddings. With x [rows, dim], u in model space, and z [rows, latents]:
///
///     u = (x - mean) * scale,  p = (u - pre_bias) encoder^T + latent_bias,  z = select(cap(relu(p))),
///     u^ = z decoder + pre_bias,  x^ = u^ / scale + mean.
///
/// Coding says how z may be found otherwise. cap() is SparseAutoencoderOptions::soft_cap, and relu() whatever
/// Ranking lets pass. With normalise_rows, (u - m) / (s + 1e-5) takes the place of u in p, with m and s each
/// row's own mean and (unbiased) deviation, and u^ is multiplied by s and shifted by m.
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

  /// models::level_count() of its activation.
  std::int64_t level_count() const { return models::level_count(options_.activation); }

  /// Sets the statistics of the data; train::Trainer does so itself.
  /// \param mean  [dim]
  /// \param scale positive and finite
  /// \throws c10::Error otherwise
  void set_statistics(const torch::Tensor& mean, double scale);

  /// Latents of raw embeddings.
  /// \param embeddings [rows, dim]
  /// \param point      how many latents to keep
  /// \param coding     who chooses them and finds their values; but for the encoder's, a constant of the
  ///                   gradient
  /// \return [rows, latents]; not negative, unless Ranking lets such pass
  /// \throws c10::Error when the shape does not fit, or the model has no such point
  /// \throws std::invalid_argument when `coding` is impossible there: a pursuit among fewer than k
  /// \throws msae::Error when least squares would overflow
  torch::Tensor encode(const torch::Tensor& embeddings, OperatingPoint point = {}, Coding coding = {});
  /// Raw embeddings [rows, dim] from latents [rows, latents]. A model with normalise_rows gives rows of mean
  /// 0 and deviation 1 in model space, as latents do not tell: see the other decode().
  torch::Tensor decode(const torch::Tensor& latents);
  /// The same with the mean and deviation of the rows that were encoded.
  /// \param latents    [rows, latents]
  /// \param embeddings [rows, dim], matter to models with normalise_rows alone
  /// \return [rows, dim]
  torch::Tensor decode(const torch::Tensor& latents, const torch::Tensor& embeddings);
  /// decode(encode(embeddings), embeddings), as trained: [rows, dim] to [rows, dim].
  torch::Tensor forward(const torch::Tensor& embeddings);
  /// Raw reconstructions [levels, rows, dim] of raw embeddings [rows, dim], the sparsest level first.
  torch::Tensor levels(const torch::Tensor& embeddings);

  /// Raw embeddings x [rows, dim] to model space: u = (x - mean) * scale.
  torch::Tensor normalise(const torch::Tensor& embeddings) const;
  /// Model space u [..., dim] back to raw embeddings: x = u / scale + mean.
  torch::Tensor denormalise(const torch::Tensor& normalised) const;
  /// Normalised embeddings [rows, dim] as the encoder sees them, before pre_bias: where
  /// SparseAutoencoderOptions::normalise_rows says so, rows of mean 0 and deviation 1.
  torch::Tensor standardise_rows(const torch::Tensor& normalised) const;
  /// Pre-activations p [rows, latents] of normalised embeddings [rows, dim].
  torch::Tensor pre_activations(const torch::Tensor& normalised) const;
  /// Latents before any is left out, of pre-activations [rows, latents]: those that Ranking lets pass,
  /// capped.
  torch::Tensor dense_latents(const torch::Tensor& pre) const;
  /// SparseAutoencoderOptions::soft_cap applied to values of any shape.
  torch::Tensor cap(const torch::Tensor& values) const;
  /// What the latents of a row are ranked by: the pre-activations [rows, latents], or their size.
  torch::Tensor scores(const torch::Tensor& pre) const;
  /// Which pre-activations [rows, latents] Ranking lets pass: [rows, latents] bool.
  torch::Tensor passing(const torch::Tensor& pre) const;
  /// Which entries an operating point keeps, of pre-activations [rows, latents]: [rows, latents] bool.
  /// \throws c10::Error when the model has no such point
  torch::Tensor selection(const torch::Tensor& pre, OperatingPoint point = {}) const;
  /// The k of the point top(k) that keeps the same, latents() where nothing is left out; none where
  /// thresholds decide.
  /// \throws c10::Error when the model has no such point
  std::optional<std::int64_t> top_k(OperatingPoint point) const;
  /// Gives decoded rows [..., rows, dim] the mean and deviation of `normalised` [rows, dim], where the model
  /// takes them away (SparseAutoencoderOptions::normalise_rows).
  torch::Tensor restore_rows(const torch::Tensor& decoded, const torch::Tensor& normalised) const;

  torch::Tensor encoder;      ///< parameter [latents, dim]; of a tied model the decoder itself
  torch::Tensor decoder;      ///< parameter [latents, dim]: the dictionary, a row per latent
  torch::Tensor latent_bias;  ///< parameter [latents]
  torch::Tensor pre_bias;     ///< parameter [dim]
  /// Of jump-relu alone: parameter [latents], the logarithms of its thresholds.
  torch::Tensor log_threshold;
  torch::Tensor mean;   ///< buffer [dim], of the training data
  torch::Tensor scale;  ///< buffer [], of the training data
  /// buffer [1], or [levels] of a matryoshka over batches: scores above which a model that chooses over
  /// batches keeps a latent at inference
  torch::Tensor threshold;

 private:
  torch::Tensor decoded(const torch::Tensor& latents) const;

  SparseAutoencoderOptions options_;
};

}  // namespace msae::models
