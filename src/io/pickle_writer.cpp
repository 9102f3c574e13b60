#include "io/pickle_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

#include "io/pickle_calls.h"

namespace msae::io::pickle {
namespace {

template <class Number>
std::array<char, sizeof(Number)> bytes_of(Number value) {
  return std::bit_cast<std::array<char, sizeof(Number)>>(value);
}

template <std::size_t count>
std::string_view view(const std::array<char, count>& bytes) {
  return {bytes.data(), count};
}

}  // namespace

Writer::Writer() : out_("\x80\x02") {}

void Writer::begin_dict() {
  out_ += "}(";
}

void Writer::begin_ordered_dict() {
  global("collections", "OrderedDict");
  out_ += ")R(";
}

void Writer::end_dict() {
  out_ += 'u';
}

void Writer::text(std::string_view value) {
  out_ += 'X';
  out_ += view(bytes_of(static_cast<std::uint32_t>(value.size())));
  out_ += value;
}

void Writer::real(double value) {
  auto bytes = bytes_of(value);
  std::reverse(bytes.begin(), bytes.end());
  out_ += 'G';
  out_ += view(bytes);
}

void Writer::integer(std::int64_t value) {
  out_ += "\x8a\x08";
  out_ += view(bytes_of(value));
}

void Writer::integers(const Shape& values) {
  out_ += '(';
  for (const auto value : values) integer(value);
  out_ += 't';
}

void Writer::global(std::string_view module, std::string_view name) {
  out_ += 'c';
  out_ += module;
  out_ += '\n';
  out_ += name;
  out_ += '\n';
}

void Writer::tensor(const TensorView& value) {
  const auto type = storage_type(value.storage.dtype);
  if (type.empty()) throw std::invalid_argument("dtype: no storage of PyTorch holds " + value.storage.dtype);
  global("torch._utils", "_rebuild_tensor_v2");
  out_ += "((";
  text("storage");
  global("torch", type);
  text(value.storage.key);
  text("cpu");
  integer(value.storage.elements);
  out_ += "tQ";
  integer(value.offset);
  integers(value.shape);
  integers(value.strides);
  out_ += '\x89';  // requires_grad: False
  global("collections", "OrderedDict");
  out_ += ")RtR";
}

std::string Writer::finish() {
  out_ += '.';
  return out_;
}

}  // namespace msae::io::pickle
