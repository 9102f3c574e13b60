/// \file
/// Floating-point elements as files hold them, to float32. HDF5 converts float16 itself, but at 0.08 GB/s.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

namespace msae::data {

/// The value of IEEE 754 binary16 `bits`: exact, also for subnormals, and NaNs keep sign and payload.
/// Masks instead of branches, so that loops over it vectorise; no float32 subnormals, which a process may
/// have told its processor to flush to zero.
constexpr float half_to_float(std::uint16_t bits) {
  // Signed, for SSE2 compares no unsigned numbers.
  const std::int32_t magnitude = bits & 0x7fff;
  const std::int32_t sign = (bits >> 15) * std::numeric_limits<std::int32_t>::min();
  const std::int32_t bias = magnitude >= 0x7c00 ? (255 - 31) << 23 : (127 - 15) << 23;
  const std::int32_t normal = (magnitude << 13) + bias;
  // A subnormal is an integer multiple of 2^-24.
  const auto subnormal = std::bit_cast<std::int32_t>(static_cast<float>(magnitude) * 0x1p-24f);
  const std::int32_t is_subnormal = -static_cast<std::int32_t>(magnitude < 0x0400);
  return std::bit_cast<float>((subnormal & is_subnormal) | (normal & ~is_subnormal) | sign);
}

/// The value of bfloat16 `bits`, the upper half of a float32: exact.
constexpr float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

enum class Element { float16, bfloat16, float32, float64 };

constexpr std::size_t size_of(Element element) {
  switch (element) {
    case Element::float16:
    case Element::bfloat16:
      return 2;
    case Element::float32:
      return 4;
    case Element::float64:
      break;
  }
  return 8;
}

/// "float16", "bfloat16", ...
constexpr const char* name_of(Element element) {
  switch (element) {
    case Element::float16:
      return "float16";
    case Element::bfloat16:
      return "bfloat16";
    case Element::float32:
      return "float32";
    case Element::float64:
      break;
  }
  return "float64";
}

/// Of an element that safetensors calls so: "F16", "BF16", "F32", "F64".
std::optional<Element> element_of(std::string_view dtype);

/// Converts the out.size() elements at `raw`, which need no alignment, to float32; `swapped`: their byte
/// order is not this machine's. float64 beyond float32's range becomes Inf.
void to_float(const std::byte* raw, Element element, bool swapped, std::span<float> out);

}  // namespace msae::data
