/// \file
/// What writing and reading a model folder share.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstdint>

namespace msae::io {

inline constexpr auto config_name = "cfg.json";
inline constexpr auto weights_name = "sae_weights.safetensors";

/// Calls work(first, count) for consecutive rows of a matrix, some megabytes at a time, so that no second
/// copy of a dictionary is ever held.
template <typename Work>
void each_block(std::int64_t rows, std::int64_t width, const Work& work) {
  constexpr std::int64_t block_elements = 1 << 20;
  const auto step = std::max<std::int64_t>(1, block_elements / width);
  for (std::int64_t first = 0; first < rows; first += step) work(first, std::min(step, rows - first));
}

inline bool all_finite(const torch::Tensor& values) {
  return values.isfinite().all().item<bool>();
}

}  // namespace msae::io
