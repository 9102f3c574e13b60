/// \file
/// What a model is made from. Torch-free.
#pragma once

#include <cstdint>

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
  /// One matrix for both: the encoder is the decoder, of norm decoder_norm at the start.
  bool tied = false;
  /// Every row is brought to mean 0 and deviation 1 across its coordinates before it is encoded, and back
  /// after it is decoded (the published "normalize").
  bool normalise_rows = false;
  /// Latents z become c tanh(z / c), which no value exceeds in size; 0: they do not.
  double soft_cap = 0;
  Ranking ranking =
      Ranking::positive;  ///< which pre-activations become latents; jump-relu knows positive alone

  /// Checks every field.
  /// \throws std::invalid_argument naming the field and the value
  /// \throws msae::Error when such a dictionary does not fit into the memory that is free
  void validate() const;
};

}  // namespace msae::models
