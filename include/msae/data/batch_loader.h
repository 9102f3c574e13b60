/// \file
/// Shuffled batches, read ahead on a thread of the loader's own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

/// How rows become batches.
struct MSAE_EXPORT LoaderOptions {
  std::int64_t batch_size = 4096;  ///< rows; the last batch of an epoch may be shorter
  bool shuffle = true;             ///< false: rows in file order
  std::uint64_t seed = 42;         ///< the order of an epoch is a pure function of (seed, epoch) ...
  /// ... unless this is set: the seed of a given epoch's permutation().
  std::function<std::uint64_t(std::int64_t epoch)> epoch_seed = {};
  int prefetch = 2;  ///< batches kept ready
  /// Bytes that rows may take. Sets that fit, as float32, are held in memory. 0: half of what is free when
  /// shuffle_rows is decided, nearly all when they are loaded.
  std::uint64_t memory = 0;
  /// Rows that are shuffled together: all_rows, or so many at a time as a pool. 0: what shuffled_rows() says.
  /// A set of all_rows that does not fit in memory is read batch by batch, in the order of the file.
  std::int64_t shuffle_rows = 0;
  const std::atomic<bool>* stop = nullptr;  ///< once it is true, next() waits no longer

  /// Checks every field.
  /// \throws std::invalid_argument unless batch_size and prefetch are at least 1, shuffle_rows at least 0
  void validate() const;
};

/// Of LoaderOptions::shuffle_rows: all rows together.
inline constexpr std::int64_t all_rows = std::numeric_limits<std::int64_t>::max();

/// How many rows of a source are shuffled together for want of memory.
///
/// Rows that do not all fit are read in small pieces from everywhere in the source into a pool, of which the
/// rows are permuted, and used while the next pool is filled. Of pieces that lie together every pool has its
/// share; the order of an epoch still is a pure function of seed, epoch and the pool's size.
/// \param source to be shuffled
/// \param memory bytes that rows may take; 0: half of what is free
/// \return all_rows where they fit as float32, else the most rows that each of two pools in `memory` has room
///         for, at least 262,144; an epoch's rows are dealt out evenly to as few pools as hold them
/// \throws std::invalid_argument when `memory` has no room for pools of that size
MSAE_EXPORT std::int64_t shuffled_rows(const EmbeddingSource& source, std::uint64_t memory = 0);

/// One batch of rows.
struct Batch {
  std::int64_t epoch = 0;     ///< from 0
  std::int64_t index = 0;     ///< within the epoch, from 0
  std::int64_t rows = 0;      ///< LoaderOptions::batch_size, or what was left of the epoch
  std::vector<float> values;  ///< [rows, dim], row-major
};

/// Endless batches, epoch after epoch. The source must outlive the loader and is read by one thread of the
/// loader alone.
class MSAE_EXPORT BatchLoader {
 public:
  /// Reads nothing yet: the first next() starts the thread.
  /// \throws std::invalid_argument for impossible options, or a source without rows
  /// \throws msae::Error when there is no memory for the pools
  BatchLoader(EmbeddingSource& source, LoaderOptions options);
  /// Waits for the read at hand, no longer.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// ceil(rows / batch_size).
  std::int64_t batches_per_epoch() const;

  /// Goes on from batch `index` of `epoch`, both from 0; used to resume. An index beyond the epoch's end
  /// counts into the epochs after it. Before the first next() it costs nothing.
  /// \throws std::invalid_argument when either is negative
  void seek(std::int64_t epoch, std::int64_t index);

  /// The next batch; waits for it, or gives one without rows when it is told to stop. Rethrows what reading
  /// it threw, e.g. msae::IoError, and so does every later call until seek().
  Batch next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The order of rows in one epoch: the permutation of [0, rows) that torch.randperm draws from a fresh CPU
/// generator seeded with `seed`, of which it uses the lower 32 bits.
/// \throws std::invalid_argument when `rows` is negative
MSAE_EXPORT std::vector<std::int64_t> permutation(std::int64_t rows, std::uint64_t seed);

}  // namespace msae::data
