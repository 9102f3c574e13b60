/// \file
/// Indices for the standard library's containers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace msae::concepts {

/// An index that is known not to be negative.
constexpr std::size_t unsign(std::int64_t index) {
  return static_cast<std::size_t>(index);
}

}  // namespace msae::concepts
