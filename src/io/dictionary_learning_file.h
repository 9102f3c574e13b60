/// \file
/// Folders of dictionary_learning (saprmarks/dictionary_learning): what they hold, apart from the weights'
/// bytes. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/torch_file.h"
#include "msae/models/activation.h"

namespace msae::io {

struct DictionaryLearningModel {
  models::Activation activation;
  std::int64_t dim = 0;
  std::int64_t latents = 0;
  pickle::TensorView encoder;                   ///< [latents, dim], of any strides
  pickle::TensorView decoder;                   ///< [latents, dim], of any strides
  pickle::TensorView latent_bias;               ///< [latents]
  pickle::TensorView pre_bias;                  ///< [dim]
  std::optional<pickle::TensorView> threshold;  ///< [], of jump-relu [latents]
  bool centred_input = true;                    ///< pre_bias is subtracted before encoding
};

/// The class of dictionary_learning that computes what such a model does.
/// \throws std::invalid_argument when it has none
std::string dictionary_class(const models::Activation& activation);

/// Sizes of the groups of latents between nested prefixes, as MatryoshkaBatchTopKSAE keeps them.
std::vector<std::int64_t> group_sizes(const std::vector<std::int64_t>& prefixes);

/// What load_dictionary() of dictionary_learning reads of config.json, with the weights of a prefix
/// matryoshka.
std::string dictionary_config_text(const models::Activation& activation, std::int64_t dim,
                                   std::int64_t latents);

/// \param file        ae.pt
/// \param config      text of config.json
/// \param config_file named in messages
/// \throws msae::IoError when fields or tensors are missing, of the wrong type or shape, or do not fit each other, or
///         the class is one that this library has not
DictionaryLearningModel parse_dictionary_learning(const TorchFile& file, std::string_view config,
                                                  const std::string& config_file);

}  // namespace msae::io
