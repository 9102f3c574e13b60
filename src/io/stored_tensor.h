/// \file
/// A tensor of a safetensors file on its way into a model.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "io/safetensors.h"

namespace msae::io {

/// A tensor of weights whose shape and dtype are as expected. Rows come as float64.
class StoredTensor {
 public:
  /// \throws msae::IoError when there is none of that name, or it has another shape or is no tensor of floats
  StoredTensor(const SafetensorsFile& file, const std::string& name, const Shape& shape);

  c10::ScalarType type() const { return type_; }
  /// Of a model with these weights: float64 stays so, all others become float32.
  c10::ScalarType model_type() const { return type_ == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32; }
  std::int64_t size(std::size_t dimension) const { return entry_.shape[dimension]; }

  torch::Tensor rows(std::int64_t first, std::int64_t count) const;
  torch::Tensor all() const;

  /// Stores what was made of this tensor. \throws msae::IoError when it is not finite or too large for
  /// `target`
  void assign(const torch::Tensor& target, const torch::Tensor& values) const;
  /// Stores the tensor as it is, a block of rows at a time.
  void copy_to(const torch::Tensor& target) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const SafetensorsFile& file_;
  const TensorEntry& entry_;
  std::string where_;
  c10::ScalarType type_;
};

}  // namespace msae::io
