#include "io/onnx_file.h"

#include <stdexcept>

#include "msae/core/memory.h"
#include "msae/core/version.h"

namespace msae::io {
namespace {

constexpr std::int64_t ir_version = 8, operator_set = 17;
constexpr std::uint64_t most_bytes = (1ull << 31) - 1;

// Numbers of fields, and of types of elements, in onnx.proto.
constexpr unsigned node_field = 1, name_field = 2, constant_field = 5, input_field = 11, output_field = 12;
constexpr std::int64_t type_float = 1, type_int64 = 7;

// ValueInfoProto
ProtobufMessage matrix_of_rows(const std::string& name, std::int64_t width) {
  ProtobufMessage rows, columns, shape, tensor, type, value;
  rows.text(2, "rows");  // any number, under this name
  columns.integer(1, width);
  shape.message(1, rows);
  shape.message(1, columns);
  tensor.integer(1, type_float);
  tensor.message(2, shape);
  type.message(1, tensor);
  value.text(1, name);
  value.message(2, type);
  return value;
}

ProtobufMessage attribute_message(const OnnxGraph::Attribute& attribute) {
  ProtobufMessage message;
  message.text(1, attribute.name);
  if (const auto* real = std::get_if<float>(&attribute.value)) {
    message.real(2, *real);
    message.integer(20, 1);
  } else if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) {
    message.integer(3, *integer);
    message.integer(20, 2);
  } else {
    for (const auto number : std::get<Shape>(attribute.value)) message.integer(8, number);
    message.integer(20, 7);
  }
  return message;
}

// ModelProto, but for the graph.
ProtobufMessage model_message(const std::map<std::string, std::string>& metadata) {
  ProtobufMessage model, operators;
  model.integer(1, ir_version);
  model.text(2, "msae");
  model.text(3, version());
  operators.text(1, "");
  operators.integer(2, operator_set);
  model.message(8, operators);
  for (const auto& [key, value] : metadata) {
    ProtobufMessage entry;
    entry.text(1, key);
    entry.text(2, value);
    model.message(14, entry);
  }
  return model;
}

std::uint64_t size_of_field(unsigned field, std::uint64_t size) {
  ProtobufMessage head;
  head.begin_text(field, size);
  return head.bytes().size() + size;
}

}  // namespace

void OnnxGraph::input(const std::string& name, std::int64_t width) {
  graph_.message(input_field, matrix_of_rows(name, width));
}

void OnnxGraph::output(const std::string& name, std::int64_t width) {
  graph_.message(output_field, matrix_of_rows(name, width));
}

std::string OnnxGraph::constant(const std::string& name, const Shape& shape, std::span<const float> values) {
  return add_constant(name, shape, type_float, std::as_bytes(values));
}

std::string OnnxGraph::constant(const std::string& name, const Shape& shape,
                                std::span<const std::int64_t> values) {
  return add_constant(name, shape, type_int64, std::as_bytes(values));
}

std::string OnnxGraph::add_constant(const std::string& name, const Shape& shape, std::int64_t type,
                                    std::span<const std::byte> values) {
  ProtobufMessage head;
  for (const auto size : shape) head.integer(1, size);
  head.integer(2, type);
  head.text(8, name);
  head.begin_text(9, values.size());
  constants_.push_back({std::move(head), values});
  return name;
}

std::string OnnxGraph::node(const std::string& type, std::initializer_list<std::string> inputs,
                            const std::vector<Attribute>& attributes, std::vector<std::string> outputs) {
  if (outputs.empty()) outputs.push_back(type + "_" + std::to_string(++names_));
  ProtobufMessage node;
  for (const auto& name : inputs) node.text(1, name);
  for (const auto& name : outputs) node.text(2, name);
  node.text(3, outputs.front());
  node.text(4, type);
  for (const auto& attribute : attributes) node.message(5, attribute_message(attribute));
  graph_.message(node_field, node);
  return outputs.front();
}

void OnnxGraph::write(files::AtomicFile& file, const std::map<std::string, std::string>& metadata) const {
  ProtobufMessage graph = graph_;
  graph.text(name_field, "encoder");
  std::uint64_t size = graph.bytes().size();
  for (const auto& constant : constants_) size += size_of_field(constant_field, constant.size());
  auto model = model_message(metadata);
  model.begin_text(7, size);
  if (const auto total = model.bytes().size() + size; total > most_bytes) {
    throw std::invalid_argument("model: as an ONNX file it would take " + human_bytes(total) +
                                ", more than the 2 GB that one may have");
  }
  file.write(model.bytes());
  file.write(graph.bytes());
  for (const auto& constant : constants_) {
    ProtobufMessage head;
    head.begin_text(constant_field, constant.size());
    file.write(head.bytes());
    file.write(constant.head.bytes());
    file.write(constant.values);
  }
}

}  // namespace msae::io
