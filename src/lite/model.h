// What an Encoder has read.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "models/pursuit.h"
#include "msae/lite/encoder.h"
#include "msae/models/model_options.h"

namespace msae::lite {

/// The model as it is stored, mean and scale folded into its weights. Of a raw row x [dim],
///
///     v = x - mean,  p = gain (v - shift) encoder^T + latent_bias,  x^ = z decoder + decoder_bias,
///
/// where a model with normalise_rows has (v - m) / (scale s + 1e-5) in the place of v, with v's own mean m
/// and deviation s, and scale s (x^ - mean) + m + mean in that of x^.
struct Model {
  models::SparseAutoencoderOptions options;
  std::vector<float> encoder;       ///< [latents, dim], which one row reads in order; empty: the decoder
  std::vector<float> decoder;       ///< [latents, dim]
  std::vector<float> latent_bias;   ///< [latents]
  std::vector<float> decoder_bias;  ///< [dim]
  std::vector<float> mean;          ///< [dim]
  std::vector<float> shift;         ///< [dim]
  float scale = 1;
  float gain = 1;                 ///< scale^2 of a tied model, whose decoder was divided by scale
  std::vector<float> thresholds;  ///< of jump-relu [latents], of what chooses over batches [1] or [levels]
  std::optional<models::Pursuit<float>> pursuit;  ///< of the whole decoder
};

/// \throws msae::Error as Encoder's constructor
std::shared_ptr<const Model> read_model(const std::filesystem::path& folder);

}  // namespace msae::lite
