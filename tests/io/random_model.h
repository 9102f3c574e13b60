/// \file
/// A small model whose every parameter and statistic is far from its default.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <utility>

#include "msae/models/sparse_autoencoder.h"

namespace msae::test {

inline torch::Tensor random_rows(torch::IntArrayRef shape, std::uint64_t seed) {
  return torch::randn(shape, at::detail::createCPUGenerator(seed), torch::kFloat64);
}

inline models::SparseAutoencoder random_model(const models::SparseAutoencoderOptions& options,
                                              torch::ScalarType type = torch::kFloat32) {
  models::SparseAutoencoder model(options);
  model.to(type);
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(random_rows(model.encoder.sizes(), 1) * 0.3);
  model.decoder.copy_(random_rows(model.decoder.sizes(), 2) * 0.4);
  model.latent_bias.copy_(random_rows(model.latent_bias.sizes(), 3) * 0.2);
  model.pre_bias.copy_(random_rows(model.pre_bias.sizes(), 4) * 0.5);
  for (std::int64_t i = 0; i < model.threshold.size(0); ++i) {
    model.threshold[i].fill_(0.35 / static_cast<double>(i + 1));
  }
  if (model.log_threshold.defined()) model.log_threshold.copy_(random_rows({model.latents()}, 6) - 1);
  model.set_statistics(random_rows(model.pre_bias.sizes(), 5) * 0.2, 3.7);
  return model;
}

inline models::SparseAutoencoder random_model(models::Activation activation, std::int64_t dim = 12,
                                              std::int64_t latents = 40,
                                              torch::ScalarType type = torch::kFloat32) {
  return random_model({.dim = dim, .latents = latents, .activation = std::move(activation)}, type);
}

}  // namespace msae::test
