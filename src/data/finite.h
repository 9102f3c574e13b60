/// \file
/// Which rows are fit for use.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace msae::data {

/// NaN and Inf are the values whose exponent bits are all set. No early exit: so the loop vectorises.
inline bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t exponent = 0x7f800000u;
  std::uint32_t found = 0;
  for (const float value : values) {
    found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & exponent) == exponent);
  }
  return found == 0;
}

}  // namespace msae::data
