// The parameters of a model in training by an engine of our own.
#pragma once

#include <torch/types.h>

#include <array>
#include <string>
#include <utility>

#include "msae/core/export.h"
#include "msae/train/engine.h"

namespace msae::train {

/// A parameter and what AdamW keeps of it.
struct Moments {
  torch::Tensor value, first, second;

  explicit Moments(const torch::Tensor& parameter)
      : value(parameter),
        first(torch::zeros_like(parameter, torch::TensorOptions().requires_grad(false))),
        second(torch::zeros_like(first)) {}
};

/// All parameters of a model, by name.
struct MSAE_EXPORT AllMoments {
  Moments encoder, decoder, latent_bias, pre_bias;

  explicit AllMoments(const models::SparseAutoencoder& model)
      : encoder(model.encoder),
        decoder(model.decoder),
        latent_bias(model.latent_bias),
        pre_bias(model.pre_bias) {}

  void save(TensorMap& state) const;
  /// \throws msae::IoError when an entry is missing or of another shape
  void restore(const TensorMap& state) const;

 private:
  std::array<std::pair<std::string, const Moments*>, 4> all() const {
    return {{{"encoder", &encoder},
             {"decoder", &decoder},
             {"latent_bias", &latent_bias},
             {"pre_bias", &pre_bias}}};
  }
};

}  // namespace msae::train
