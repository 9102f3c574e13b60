/// \file
/// Latents of rows, small, by hand or by chance.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "data/random.h"
#include "msae/concepts/codes.h"

namespace msae::test {

inline std::size_t place(std::int64_t index) {
  return static_cast<std::size_t>(index);
}

/// The entries other than zero of [rows, latents].
inline concepts::Codes codes_of(const torch::Tensor& dense) {
  const auto matrix = dense.to(torch::kFloat32).contiguous();
  concepts::Codes codes{
      .rows = matrix.size(0), .latents = matrix.size(1), .begin = {0}, .latent = {}, .value = {}};
  const auto* value = matrix.const_data_ptr<float>();
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (std::int64_t latent = 0; latent < codes.latents; ++latent, ++value) {
      if (*value == 0) continue;
      codes.latent.push_back(static_cast<std::int32_t>(latent));
      codes.value.push_back(*value);
    }
    codes.begin.push_back(static_cast<std::int64_t>(codes.latent.size()));
  }
  return codes;
}

/// [rows, latents] float32.
inline torch::Tensor dense_of(const concepts::Codes& codes) {
  auto dense = torch::zeros({codes.rows, codes.latents});
  auto* out = dense.mutable_data_ptr<float>();
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    for (auto at = codes.begin[place(row)]; at < codes.begin[place(row) + 1]; ++at) {
      out[row * codes.latents + codes.latent[place(at)]] = codes.value[place(at)];
    }
  }
  return dense;
}

/// What random_codes() draws.
struct Drawn {
  std::int64_t rows = 1, latents = 1;
  std::int64_t most = 3;  ///< latents of a row; some rows have fewer, or none
  bool negative = false;  ///< values of both signs
  std::uint64_t seed = 1;
};

/// Values are quarters up to 2, so that many are equal and sums are exact. The first latents are on more rows
/// than the last; of five, the last is on none.
inline concepts::Codes random_codes(const Drawn& drawn) {
  data::Random random(drawn.seed);
  concepts::Codes codes{
      .rows = drawn.rows, .latents = drawn.latents, .begin = {0}, .latent = {}, .value = {}};
  std::vector<float> row(place(drawn.latents));
  for (std::int64_t i = 0; i < drawn.rows; ++i) {
    std::fill(row.begin(), row.end(), 0.0f);
    const auto count = random.bits() % static_cast<std::uint64_t>(drawn.most + 1);
    for (std::uint64_t k = 0; k < count; ++k) {
      const auto share = random.uniform();
      const auto latent = static_cast<std::int64_t>(share * share * static_cast<double>(drawn.latents));
      const auto size = static_cast<float>(1 + random.bits() % 8) / 4;
      const bool below = (random.bits() & 1) != 0 && drawn.negative;
      if (latent % 5 != 4) row[place(latent)] = below ? -size : size;
    }
    for (std::int64_t latent = 0; latent < drawn.latents; ++latent) {
      if (row[place(latent)] == 0) continue;
      codes.latent.push_back(static_cast<std::int32_t>(latent));
      codes.value.push_back(row[place(latent)]);
    }
    codes.begin.push_back(static_cast<std::int64_t>(codes.latent.size()));
  }
  return codes;
}

}  // namespace msae::test
