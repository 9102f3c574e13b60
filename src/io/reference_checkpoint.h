/// \file
/// What a checkpoint of the published implementation holds, apart from its tensors' bytes. Torch-free.
#pragma once

#include <optional>
#include <string>

#include "io/pickle_reader.h"
#include "io/reference_name.h"

namespace msae::io {

struct ReferenceCheckpoint {
  ReferenceModel model;
  pickle::TensorView encoder;                 ///< [dim, latents], of any strides
  std::optional<pickle::TensorView> decoder;  ///< [latents, dim]; none where the weights are tied
  pickle::TensorView latent_bias;             ///< [latents]
  pickle::TensorView pre_bias;                ///< [dim]
  pickle::TensorView mean;                    ///< [dim], of the training data
  double scale = 1;                           ///< of the training data
};

/// \param root of the file's pickle
/// \param file whose name tells the model
/// \param as   what it is, where the name does not tell or is wrong: see name_as_told(); empty: as it tells
/// \throws msae::IoError when keys are missing or shapes do not fit, or nothing tells the model;
/// std::invalid_argument naming "as"
ReferenceCheckpoint parse_reference(const pickle::Value& root, const std::filesystem::path& file,
                                    const std::string& as);

}  // namespace msae::io
