/// \file
/// Numbers as files hold them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace msae::test {

template <typename Element, typename Values>
void append_bytes(const Values& element, std::vector<std::byte>& out) {
  const auto value = static_cast<Element>(element);
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// Of a float that binary16 holds exactly: zero, or from 2^-14 to 65504.
inline std::uint16_t half_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  if (value == 0) return sign;
  return static_cast<std::uint16_t>(sign | ((bits >> 13 & 0x3ffff) - (112 << 10)));
}

/// \param dtype "F32", "F64", "F16" or "BF16"; the last two cut what they cannot hold
inline std::vector<std::byte> stored_as(const std::vector<double>& values, const std::string& dtype) {
  std::vector<std::byte> out;
  for (const auto value : values) {
    const auto number = static_cast<float>(value);
    if (dtype == "F64") append_bytes<double>(value, out);
    if (dtype == "F32") append_bytes<float>(number, out);
    if (dtype == "F16") append_bytes<std::uint16_t>(half_bits(number), out);
    if (dtype == "BF16") append_bytes<std::uint16_t>(std::bit_cast<std::uint32_t>(number) >> 16, out);
  }
  return out;
}

}  // namespace msae::test
