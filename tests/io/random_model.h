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

inline models::SparseAutoencoder random_model(models::Activation activation, std::int64_t dim = 12,
                                              std::int64_t latents = 40,
                                              torch::ScalarType type = torch::kFloat32) {
  models::SparseAutoencoder model{{.dim = dim, .latents = latents, .activation = std::move(activation)}};
  model.to(type);
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(random_rows({latents, dim}, 1) * 0.3);
  model.decoder.copy_(random_rows({latents, dim}, 2) * 0.4);
  model.latent_bias.copy_(random_rows({latents}, 3) * 0.2);
  model.pre_bias.copy_(random_rows({dim}, 4) * 0.5);
  model.threshold.fill_(0.35);
  model.set_statistics(random_rows({dim}, 5) * 0.2, 3.7);
  return model;
}

}  // namespace msae::test
