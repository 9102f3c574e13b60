#include "data/half.h"

#include <array>
#include <cstring>
#include <utility>

namespace msae::data {
namespace {

// Shifts rather than the compiler's byte-swap intrinsics: these vectorise on every x86-64.
constexpr std::uint16_t reversed(std::uint16_t bits) {
  return static_cast<std::uint16_t>(bits << 8 | bits >> 8);
}

constexpr std::uint32_t reversed(std::uint32_t bits) {
  bits = (bits & 0x00ff00ffu) << 8 | (bits >> 8 & 0x00ff00ffu);
  return bits << 16 | bits >> 16;
}

constexpr std::uint64_t reversed(std::uint64_t bits) {
  const std::uint64_t low = reversed(static_cast<std::uint32_t>(bits));
  return low << 32 | reversed(static_cast<std::uint32_t>(bits >> 32));
}

constexpr float single(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}
constexpr float from_double(std::uint64_t bits) {
  return static_cast<float>(std::bit_cast<double>(bits));
}

template <class Bits, bool swapped, float value(Bits)>
void convert(const std::byte* __restrict raw, float* __restrict out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, raw + i * sizeof(Bits), sizeof(Bits));
    out[i] = value(swapped ? reversed(bits) : bits);
  }
}

template <class Bits, float value(Bits)>
void convert(const std::byte* raw, bool swapped, std::span<float> out) {
  if (swapped) {
    convert<Bits, true, value>(raw, out.data(), out.size());
  } else {
    convert<Bits, false, value>(raw, out.data(), out.size());
  }
}

}  // namespace

std::optional<Element> element_of(std::string_view dtype) {
  constexpr std::array<std::pair<std::string_view, Element>, 4> names{{{"F16", Element::float16},
                                                                       {"BF16", Element::bfloat16},
                                                                       {"F32", Element::float32},
                                                                       {"F64", Element::float64}}};
  for (const auto& [name, element] : names) {
    if (name == dtype) return element;
  }
  return std::nullopt;
}

void to_float(const std::byte* raw, Element element, bool swapped, std::span<float> out) {
  switch (element) {
    case Element::float16:
      return convert<std::uint16_t, half_to_float>(raw, swapped, out);
    case Element::bfloat16:
      return convert<std::uint16_t, bfloat_to_float>(raw, swapped, out);
    case Element::float32:
      return convert<std::uint32_t, single>(raw, swapped, out);
    case Element::float64:
      return convert<std::uint64_t, from_double>(raw, swapped, out);
  }
}

}  // namespace msae::data
