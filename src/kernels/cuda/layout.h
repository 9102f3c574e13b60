// How the kernels lay out a batch's levels and the latents they keep. Matrices are row-major.
#pragma once

#include <cstdint>

namespace msae::kernels::cuda {

/// Levels at most: a step's options travel to the kernels by value.
inline constexpr int max_levels = 64;

/// Latents, and rows of a batch, at most: as many as a grid's height may be of the fewest rows of a block.
inline constexpr std::int64_t most_latents = std::int64_t{1} << 20, most_rows = 1'000'000;

/// Stands for no level.
inline constexpr std::uint8_t no_level = 255;

/// The levels, and how each one's own latents (those that it adds to the level before) are worked on. A level
/// of few is a list, from which rows are gathered; one of many is a matrix [rows, latents] for dense
/// products.
struct Levels {
  int count = 0;
  int dense = 0;  ///< levels that are matrices; their slots come first
  std::uint32_t keep[max_levels] = {};
  float weight[max_levels] = {};
  std::uint8_t slot[max_levels] = {};  ///< where a level's matrix and its gradient are, below `count`

  __host__ __device__ bool is_dense(int level) const { return slot[level] < dense; }
};

/// Where a level ends in a ranking by (value descending, latent ascending): it keeps the values whose bits,
/// as a number, exceed `key`, and of those equal to it the latents before `end`.
struct Cut {
  std::uint32_t key = 0;
  std::uint32_t end = 0;
};

/// The same in a whole batch, ranked by (value descending, row ascending, latent ascending).
struct BatchCut {
  std::uint32_t key = 0;
  std::uint32_t row = 0;
  std::uint32_t end = 0;

  __host__ __device__ Cut of(std::uint32_t other) const {
    if (other == row) return {key, end};
    return {key, other < row ? 0xffffffffu : 0u};
  }
};

/// The latents that rows keep on levels that are lists.
struct Entries {
  std::int64_t capacity = 0;   ///< of a row
  std::uint32_t* begin = {};   ///< [rows, levels + 1], where each level's begin in the row
  std::uint32_t* latent = {};  ///< [rows, capacity], ascending within a level
  float* value = {};           ///< [rows, capacity]
};

/// Entries of all rows by latent, and by row within it; in a row those of a level come before those that
/// explain what is left over (see StepOptions::auxk).
struct Columns {
  std::uint32_t* begin = {};  ///< [latents + 1]
  std::uint32_t* place = {};  ///< [count], row << 8 | slot
  float* value = {};          ///< [count]
};

/// What a step knows only when it begins; the device reads it, so that the launches themselves never change.
struct Scalars {
  double factor = 1;       ///< of the loss
  double loss_weight = 1;  ///< of its sum, by rows
  float decay = 1;         ///< see kernels::Adam
  float rate = 0;
  float correction = 1;
  std::int64_t rows_seen = 0;  ///< this batch included
};

/// What has been counted in a batch.
struct Totals {
  std::int64_t counted = 0;     ///< rows with |x| > 0
  std::int64_t left_over = 0;   ///< rows that the widest level does not explain wholly
  unsigned long long dead = 0;  ///< latents
  double square = 0;            ///< sum of |x|^2
  double clip = 1;              ///< what gradients are multiplied by
};

}  // namespace msae::kernels::cuda
