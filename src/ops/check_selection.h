// What every selection asks of its arguments.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace msae::ops {

inline void check_pre(const torch::Tensor& pre) {
  TORCH_CHECK(pre.dim() == 2 && pre.is_floating_point(),
              "pre-activations: expected a floating-point [rows, latents], got ", pre.sizes(), " of ",
              pre.scalar_type());
}

inline void check_levels(const std::vector<std::int64_t>& levels) {
  TORCH_CHECK(levels.size() < 256, "levels: at most 255, got ", levels.size());
  for (std::size_t i = 0; i < levels.size(); ++i) {
    TORCH_CHECK(levels[i] >= (i == 0 ? 0 : levels[i - 1] + 1), "levels: must ascend from 0 or more, got ",
                levels);
  }
}

}  // namespace msae::ops
