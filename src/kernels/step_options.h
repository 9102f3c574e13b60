// What a training step minimises, whatever computes it.
#pragma once

#include <cstdint>
#include <vector>

namespace msae::kernels {

/// From which share of latents on a stage computes them all, by dense products: that of the widest level's
/// own ones, beyond the level before it, or of all levels' for the encoder's gradient. Above 1: never.
struct DenseFrom {
  double decode = 2;
  double decoder_gradient = 2;
  double encoder_gradient = 2;
  double level = 2;  ///< on CUDA devices, of any level's own latents: all its stages
};

/// What a step minimises. With x in model space and x_l what level l reconstructs, it is
///
///     factor * (sum_l weight_l * mean_b error_lb + l1 * mean_b |z_b| + auxk * mean_b auxiliary error_b).
struct StepOptions {
  std::vector<std::int64_t> levels;  ///< latents kept, ascending, at most 254 of them
  std::vector<double> weights;       ///< of the levels; they sum to 1
  /// Levels keep rows * k of the batch; else k of every row.
  bool over_batch = false;
  bool squared = false;  ///< error: the mean squared error; else divided by |x|^2, rows with |x| = 0 left out
  double soft_cap = 0;   ///< latents are c tanh(p / c); 0: p
  double l1 = 0;         ///< of one level alone
  bool l1_by_norm = true;         ///< |z_b| / |x_b|, rows with |x_b| = 0 left out
  double auxk = 0;                ///< weight of what dead latents explain of the widest level's residual
  std::int64_t auxk_latents = 0;  ///< of them in a row
  DenseFrom dense = {};
};

}  // namespace msae::kernels
