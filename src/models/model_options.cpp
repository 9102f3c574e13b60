#include "msae/models/model_options.h"

#include <stdexcept>
#include <string>

#include "models/check_positive.h"
#include "msae/core/memory.h"

namespace msae::models {

void SparseAutoencoderOptions::validate() const {
  if (dim < 1) throw std::invalid_argument("dim: must be at least 1, not " + std::to_string(dim));
  if (latents < 1) throw std::invalid_argument("latents: must be at least 1, not " + std::to_string(latents));
  check_positive(decoder_norm, "decoder_norm");
  check_positive(encoder_norm, "encoder_norm");
  models::validate(activation, latents);
  if (soft_cap != 0) check_positive(soft_cap, "soft_cap");
  if (std::holds_alternative<JumpRelu>(activation) && ranking != Ranking::positive) {
    throw std::invalid_argument("ranking: a jump-relu model has positive latents alone");
  }
  if (normalise_rows && dim < 2) {
    throw std::invalid_argument("normalise_rows: rows of one coordinate have no deviation");
  }
  // Encoder and decoder; training takes four times as much.
  const auto elements =
      saturating_product(static_cast<std::uint64_t>(dim), static_cast<std::uint64_t>(latents));
  require_memory(
      saturating_product(elements, 2 * sizeof(float)),
      "a dictionary of " + std::to_string(latents) + " latents of dimension " + std::to_string(dim));
}

}  // namespace msae::models
