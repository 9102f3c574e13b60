// Entries of all rows, sorted by latent: for sums over rows whose order never changes.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// Turns lists by row into columns, in an order that is theirs alone: without atomics on floats, and the same
/// however blocks are scheduled.
struct SortColumns {
  int rows = 0, latents = 0;
  Levels levels;
  Entries entries;           ///< of the levels that are lists
  Entries auxiliary;         ///< of one level; without a `begin` there are none
  int auxiliary_slot = 0;    ///< that its entries get
  std::uint32_t* room = {};  ///< [column_room(rows, latents)]
  Columns columns;           ///< to
};
std::int64_t column_room(int rows, int latents);
void sort_columns(Stream stream, const SortColumns& work);

}  // namespace msae::kernels::cuda
