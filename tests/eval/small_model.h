// A model that is evaluated, and its rows.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "msae/data/source.h"
#include "msae/eval/evaluator.h"
#include "msae/models/sparse_autoencoder.h"
#include "support/tensors.h"

namespace msae::test {

inline constexpr std::int64_t dim = 7, latents = 25, rows = 53;

inline std::vector<models::Activation> every_kind() {
  return {models::Relu{},
          models::TopK{3},
          models::BatchTopK{3},
          models::Matryoshka{{2, 5, 25}},
          models::Matryoshka{.levels = {2, 5}, .batch = true},
          models::JumpRelu{.threshold = 0.5},
          models::PrefixMatryoshka{.k = 3, .sizes = {5, 25}}};
}

/// \param shape what else it is; dim, latents and activation are set here
inline models::SparseAutoencoder make_model(models::Activation activation,
                                            models::SparseAutoencoderOptions shape = {}) {
  shape.dim = dim;
  shape.latents = latents;
  shape.activation = std::move(activation);
  models::SparseAutoencoder model(std::move(shape));
  const torch::NoGradGuard no_grad;
  model.encoder.copy_(random({latents, dim}, 1));
  model.decoder.copy_(random({latents, dim}, 2) * 0.3);
  model.latent_bias.copy_(random({latents}, 3) - 0.2);
  model.latent_bias[4].fill_(-1e6);  // dead
  model.pre_bias.copy_(random({dim}, 4) * 0.2);
  model.threshold.fill_(1.0);
  model.set_statistics(random({dim}, 5) + 3, 0.7);
  return model;
}

inline torch::Tensor rows_tensor() {
  return random({rows, dim}, 6, torch::kFloat32) + 3;
}

inline std::unique_ptr<data::EmbeddingSource> source(const torch::Tensor& x) {
  const auto flat = x.contiguous();
  const auto* values = flat.const_data_ptr<float>();
  return data::in_memory(std::vector<float>(values, values + flat.numel()), x.size(1), "rows");
}

/// Where the model has to work to repeat a point of its evaluation.
inline models::OperatingPoint operating_point(const eval::Point& point) {
  if (point.label == "trained") return models::OperatingPoint::trained();
  if (point.label == "all") return models::OperatingPoint::all();
  if (point.label.rfind("level ", 0) == 0)
    return models::OperatingPoint::level(std::stoll(point.label.substr(6)) - 1);
  return models::OperatingPoint::top(*point.k);
}

/// Every way to find codes; the candidates are enough for the points that keep dim latents at most.
inline std::vector<models::Coding> every_coding() {
  return {models::Coding::encoder(), models::Coding::refit(), models::Coding::pursuit(),
          models::Coding::pursuit(dim)};
}

/// What the codes of a point are those of.
inline models::Coding coding(const eval::Point& point) {
  return models::coding_named(point.codes);
}

}  // namespace msae::test
