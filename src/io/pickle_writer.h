/// \file
/// Writes the pickle of a checkpoint: dicts of numbers and tensors, in protocol 2. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/pickle_reader.h"

namespace msae::io::pickle {

/// Values in the order of the calls. In a dict a text, the name, precedes each value.
class Writer {
 public:
  Writer();

  void begin_dict();
  void begin_ordered_dict();
  void end_dict();
  void text(std::string_view value);
  void real(double value);
  /// \throws std::invalid_argument for a dtype that PyTorch has no storage of
  void tensor(const TensorView& value);

  /// The pickle; nothing may be written after it.
  std::string finish();

 private:
  void integer(std::int64_t value);
  void integers(const Shape& values);
  void global(std::string_view module, std::string_view name);

  std::string out_;
};

}  // namespace msae::io::pickle
