/// \file
/// Every kind of model with every option that changes what it computes, for tests to go through.
#pragma once

#include <string>
#include <vector>

#include "msae/models/sparse_autoencoder.h"

namespace msae::test {

/// Every kind, for a dictionary of 14 latents or more.
inline std::vector<models::Activation> every_activation(std::int64_t latents) {
  return {models::Relu{},
          models::TopK{3},
          models::BatchTopK{3},
          models::Matryoshka{{1, 3, latents}, {3, 1, 2}},
          models::Matryoshka{{1, 3, latents}, {3, 1, 2}, /*batch=*/true},
          models::JumpRelu{.threshold = 0.3, .bandwidth = 0.5},
          models::PrefixMatryoshka{.k = 3, .sizes = {2, 5, latents}, .weights = {3, 1, 2}}};
}

/// Every kind with every combination of ranking, soft cap, normalise_rows and tied that it can have.
inline std::vector<models::SparseAutoencoderOptions> every_model(std::int64_t dim, std::int64_t latents) {
  std::vector<models::SparseAutoencoderOptions> all;
  for (const auto& activation : every_activation(latents)) {
    for (const auto ranking :
         {models::Ranking::positive, models::Ranking::value, models::Ranking::magnitude}) {
      const bool jump = std::holds_alternative<models::JumpRelu>(activation);
      if (jump && ranking != models::Ranking::positive) continue;
      for (const int bits : {0, 1, 2, 3, 4, 5, 6, 7}) {
        all.push_back({.dim = dim,
                       .latents = latents,
                       .activation = activation,
                       .tied = (bits & 1) != 0,
                       .normalise_rows = (bits & 2) != 0,
                       .soft_cap = (bits & 4) != 0 ? 1.5 : 0,
                       .ranking = ranking});
      }
    }
  }
  return all;
}

/// A third of them, in which every kind meets every option: for tests that take longer.
inline std::vector<models::SparseAutoencoderOptions> some_models(std::int64_t dim, std::int64_t latents) {
  const auto all = every_model(dim, latents);
  std::vector<models::SparseAutoencoderOptions> some;
  for (std::size_t i = 0; i < all.size(); i += 3) some.push_back(all[i]);
  return some;
}

/// What tells one of them from the others.
inline std::string name(const models::SparseAutoencoderOptions& options) {
  const auto* nested = std::get_if<models::Matryoshka>(&options.activation);
  return models::kind(options.activation) + (nested && nested->batch ? " over batches" : "") + ", " +
         models::ranking_name(options.ranking) + (options.tied ? ", tied" : "") +
         (options.normalise_rows ? ", rows normalised" : "") + (options.soft_cap > 0 ? ", capped" : "");
}

}  // namespace msae::test
