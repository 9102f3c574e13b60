#include "io/tensor_layout.h"

#include <array>
#include <utility>

namespace msae::io {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::uint64_t element_size(std::string_view dtype) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 15> sizes{{{"F64", 8},
                                                                                     {"F32", 4},
                                                                                     {"F16", 2},
                                                                                     {"BF16", 2},
                                                                                     {"I64", 8},
                                                                                     {"I32", 4},
                                                                                     {"I16", 2},
                                                                                     {"I8", 1},
                                                                                     {"U64", 8},
                                                                                     {"U32", 4},
                                                                                     {"U16", 2},
                                                                                     {"U8", 1},
                                                                                     {"BOOL", 1},
                                                                                     {"F8_E4M3", 1},
                                                                                     {"F8_E5M2", 1}}};
  for (const auto& [name, size] : sizes) {
    if (name == dtype) return size;
  }
  return 0;
}

std::optional<std::uint64_t> byte_count(const Shape& shape, std::uint64_t element) {
  std::uint64_t result = element;
  for (const auto size : shape) {
    if (__builtin_mul_overflow(result, static_cast<std::uint64_t>(size), &result)) return std::nullopt;
  }
  return result;
}

}  // namespace msae::io
