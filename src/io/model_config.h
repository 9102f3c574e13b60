/// \file
/// cfg.json of a model folder: what it says, apart from the weights. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "msae/models/activation.h"

namespace msae::io {

struct ModelConfig {
  std::int64_t dim = 0;
  std::int64_t latents = 0;
  models::Activation activation;
  bool tied = false;  ///< these four as in models::SparseAutoencoderOptions
  bool normalise_rows = false;
  double soft_cap = 0;
  models::Ranking ranking = models::Ranking::positive;
  std::vector<double> thresholds = {};  ///< of the levels of a matryoshka over batches
  std::vector<double> mean = {};        ///< [dim], of the training data; empty: zeros
  double scale = 1;                     ///< of the training data
  bool float64 = false;  ///< weights in double precision; written for SAELens, ours is the tensors' own dtype
  /// SAELens' apply_b_dec_to_input: the decoder's bias is subtracted before encoding. Always so in folders of
  /// ours.
  bool centred_input = true;
  /// SAELens' rescale_acts_by_decoder_norm: pre-activations are multiplied by the norms of decoder rows, and
  /// decoder rows divided by them. Never so in folders of ours.
  bool decoder_norms = false;
  /// The threshold is the tensor "topk_threshold" [], as in folders of SAELens' trainings.
  bool scalar_threshold = false;
};

/// Whether the weights hold the tensor "threshold" [latents].
bool has_threshold(const ModelConfig& config);
/// As cfg.json has it under msae: {"activation":{"kind":"topk","k":64},"soft_cap":2}
std::string model_text(const ModelConfig& config);

/// Reads what model_text() wrote: all of `config` but its sizes and statistics.
/// \throws msae::IoError as parse_config() does; what cannot be of such sizes is for the caller to check
void parse_model_text(std::string_view text, const std::string& file, ModelConfig& config);

/// One line a key, long lists on one line; numbers come back exactly.
std::string config_text(const ModelConfig& config);

/// Reads what config_text() or SAELens wrote. Without the key "msae" the model is SAELens' own: mean 0,
/// scale 1. \param file named in messages \throws msae::IoError when a field is missing, of the wrong type,
/// impossible, or of a kind that we do not have
ModelConfig parse_config(std::string_view text, const std::string& file);

}  // namespace msae::io
