/// \file
/// Rows with and without an attribute. Torch-free.
#pragma once

#include <cstdint>
#include <span>

namespace msae::concepts {

/// How many rows have which value.
struct Groups {
  std::int64_t with = 0, without = 0;
};

/// \throws std::invalid_argument naming what is wrong, unless there are `rows` values, 0 or 1, and both
Groups groups_of(std::span<const std::uint8_t> attribute, std::int64_t rows);

}  // namespace msae::concepts
