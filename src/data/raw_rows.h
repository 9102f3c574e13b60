/// \file
/// Rows as a file holds them, to float32, some at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/half.h"

namespace msae::data {

/// Reads through a buffer of its own that stays in the processor's cache.
class RawRows {
 public:
  /// \param fill called with the number of a first row, a number of rows, and room for their bytes
  template <class Fill>
  void read(std::int64_t first, std::int64_t count, std::size_t width, Element element, bool swapped,
            std::span<float> out, const Fill& fill) {
    const auto all = static_cast<std::size_t>(count);
    const auto row_bytes = width * size_of(element);
    constexpr std::size_t buffer_bytes = std::size_t{1} << 19;
    const auto step = std::clamp<std::size_t>(buffer_bytes / row_bytes, 1, std::max<std::size_t>(all, 1));
    raw_.resize(std::max(raw_.size(), step * row_bytes));
    for (std::size_t done = 0; done < all; done += step) {
      const auto rows = std::min(step, all - done);
      fill(static_cast<std::size_t>(first) + done, rows, std::span(raw_).first(rows * row_bytes));
      to_float(raw_.data(), element, swapped, out.subspan(done * width, rows * width));
    }
  }

 private:
  std::vector<std::byte> raw_;
};

}  // namespace msae::data
