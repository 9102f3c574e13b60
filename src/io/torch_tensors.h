/// \file
/// LibTorch tensors out of a file of torch.save.
#pragma once

#include <torch/types.h>

#include <string>

#include "io/torch_file.h"

namespace msae::io {

/// Fills `target`, of the same shape, with a tensor of the file.
/// \param name in messages \throws msae::IoError when it is damaged, no tensor of floats, or not finite
void copy_stored(const TorchFile& file, const pickle::TensorView& stored, const std::string& name,
                 const torch::Tensor& target);

}  // namespace msae::io
