/// \file
/// A graph of operators as an ONNX file (onnx.proto of ONNX 1.12: IR version 8, operator set 17). Torch-free.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/atomic_file.h"
#include "io/protobuf.h"
#include "io/tensor_layout.h"

namespace msae::io {

class OnnxGraph {
 public:
  struct Attribute {
    std::string name;
    std::variant<std::int64_t, float, Shape> value;
  };

  /// float32 [rows, width] that the graph takes, for any number of rows.
  void input(const std::string& name, std::int64_t width);
  /// float32 [rows, width] that it gives: the result of a node of that name.
  void output(const std::string& name, std::int64_t width);

  /// A tensor that the file holds. `values` must outlive the graph. \return its name
  std::string constant(const std::string& name, const Shape& shape, std::span<const float> values);
  std::string constant(const std::string& name, const Shape& shape, std::span<const std::int64_t> values);

  /// An operator, applied to what earlier calls returned.
  /// \param outputs names of its results; empty: one, whose name does not matter
  /// \return the name of the first result
  std::string node(const std::string& type, std::initializer_list<std::string> inputs,
                   const std::vector<Attribute>& attributes = {}, std::vector<std::string> outputs = {});

  /// \throws std::invalid_argument when the file would be longer than the 2 GB that protocol buffers allow
  void write(files::AtomicFile& file, const std::map<std::string, std::string>& metadata) const;

 private:
  struct Constant {
    ProtobufMessage head;  // all but the values, which end it
    std::span<const std::byte> values;
    std::uint64_t size() const { return head.bytes().size() + values.size(); }
  };
  std::string add_constant(const std::string& name, const Shape& shape, std::int64_t type,
                           std::span<const std::byte> values);

  ProtobufMessage graph_;  // but for its constants
  std::vector<Constant> constants_;
  std::size_t names_ = 0;
};

}  // namespace msae::io
