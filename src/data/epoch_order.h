/// \file
/// The order of rows in an epoch: what all that make batches have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "msae/data/batch_loader.h"

namespace msae::data {

/// Numbers of rows [rows], in the order that LoaderOptions::shuffle, seed and epoch_seed give an epoch; a
/// pure function of these. epoch_seed is called, so one thread at a time.
std::vector<std::int64_t> epoch_order(std::int64_t rows, const LoaderOptions& options, std::int64_t epoch);

/// The seed of an epoch by LoaderOptions::seed and epoch_seed, which is called: one thread at a time.
std::uint64_t seed_of_epoch(const LoaderOptions& options, std::int64_t epoch);

/// \throws msae::Error where the order of so many rows does not fit into memory
void require_memory_of_order(std::int64_t rows);

/// Bytes of rows as float32.
std::uint64_t bytes_of_rows(std::int64_t rows, std::int64_t dim);

/// What rows may take of the machine's memory, by LoaderOptions::memory.
std::uint64_t room_for_rows(std::uint64_t memory);

/// Checks that there is something to make batches of.
/// \return its rows
/// \throws std::invalid_argument naming a source without rows or columns
std::int64_t rows_for_batches(const EmbeddingSource& source);

/// ceil(rows / batch_size).
constexpr std::int64_t batches_of(std::int64_t rows, std::int64_t batch_size) {
  return (rows - 1) / batch_size + 1;
}

/// Which batch comes next.
struct BatchPlace {
  std::int64_t epoch = 0;  ///< from 0
  std::int64_t index = 0;  ///< within the epoch, from 0

  /// An index beyond the epoch's end counts into the epochs after it.
  /// \throws std::invalid_argument when either is negative
  static BatchPlace at(std::int64_t epoch, std::int64_t index, std::int64_t per_epoch);

  void advance(std::int64_t per_epoch) {
    if (++index < per_epoch) return;
    index = 0;
    ++epoch;
  }
};

}  // namespace msae::data
