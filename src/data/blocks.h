/// \file
/// All rows of a source, a few at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace msae::data {

/// Rows that are about 4 MB.
constexpr std::int64_t rows_of_block(std::int64_t dim) {
  constexpr std::int64_t block_values = 1 << 20;
  return std::max<std::int64_t>(1, block_values / dim);
}

/// Calls `visit(first, count, values)` for blocks of `step` rows, the last may have fewer, where `values` has
/// room for rows [first, first + count) of `dim` floats and is `visit`'s to fill; then `progress` with the
/// share of rows that are done.
template <class Visit>
void for_each_block(std::int64_t rows, std::int64_t dim, std::int64_t step,
                    const std::function<void(double)>& progress, const Visit& visit) {
  std::vector<float> block(static_cast<std::size_t>(std::min(step, rows) * dim));
  for (std::int64_t first = 0; first < rows; first += step) {
    const auto count = std::min(step, rows - first);
    visit(first, count, std::span(block).first(static_cast<std::size_t>(count * dim)));
    if (progress) progress(static_cast<double>(first + count) / static_cast<double>(rows));
  }
}

/// The same, rows_of_block() at a time.
template <class Visit>
void for_each_block(std::int64_t rows, std::int64_t dim, const std::function<void(double)>& progress,
                    const Visit& visit) {
  for_each_block(rows, dim, rows_of_block(dim), progress, visit);
}

}  // namespace msae::data
