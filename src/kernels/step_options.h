// What a training step minimises, whatever computes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
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

/// What to do with the rows of a dictionary before the step.
enum class Rows {
  as_they_are,  ///< nothing
  project,      ///< take out of each row's gradient what would only change its length
  rescale       ///< the same after row and encoder have been rescaled, so that the row has unit norm
};

/// \throws std::invalid_argument for levels that do not ascend, or too many of them, or of weights
inline void check_levels(const StepOptions& options, std::int64_t most) {
  const auto& levels = options.levels;
  if (levels.empty() || static_cast<std::int64_t>(levels.size()) > most) {
    throw std::invalid_argument("levels: must be from 1 to " + std::to_string(most) + ", not " +
                                std::to_string(levels.size()));
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] < (i == 0 ? 0 : levels[i - 1] + 1))
      throw std::invalid_argument("levels: must ascend from 0");
  }
  if (options.weights.size() != levels.size()) throw std::invalid_argument("weights: must be one a level");
}

}  // namespace msae::kernels
