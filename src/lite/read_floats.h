// Weights of any floating-point type, as float32.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/half.h"
#include "io/safetensors.h"

namespace msae::lite {

/// A tensor of the weights file whose shape and type are as expected.
class StoredFloats {
 public:
  /// \throws msae::IoError when there is none of that name, or it is of another shape or no floats
  StoredFloats(const io::SafetensorsFile& file, const std::string& name, const io::Shape& shape);

  /// Fills `out` from element `first` on.
  /// \throws msae::IoError when one is NaN, infinite or too large for float32
  void read(std::uint64_t first, std::span<float> out) const;
  std::vector<float> all() const;

  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const io::SafetensorsFile& file_;
  const io::TensorEntry& entry_;
  std::string where_;
  data::Element element_ = data::Element::float32;
};

}  // namespace msae::lite
