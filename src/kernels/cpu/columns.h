// From compressed sparse rows to compressed sparse columns.
#pragma once

#include <span>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// Entries of one chunk whose level is their run's number modulo `levels`, plus `first_level`.
template <typename T>
struct LevelledEntries {
  const ChunkEntries<T>* rows = {};
  std::int64_t levels = 1;
  std::int64_t first_level = 0;
  std::int64_t from = 0, to = max_levels;  ///< levels, as the runs have them, that count; others are left out
};

/// Sorts a chunk's entries by latent, within a latent by part of `entries`, and within that by row: a stable
/// counting sort.
template <typename T>
void to_columns(std::span<const LevelledEntries<T>> entries, std::int64_t latents, ChunkColumns<T>& columns);

}  // namespace msae::kernels
