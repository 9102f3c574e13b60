/// \file
/// Shuffled batches, read ahead on a thread of the loader's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

struct MSAE_EXPORT LoaderOptions {
  std::int64_t batch_size = 4096;  ///< rows; the last batch of an epoch may be shorter
  bool shuffle = true;             ///< false: rows in file order
  std::uint64_t seed = 42;         ///< the order of an epoch is a pure function of (seed, epoch) ...
  /// ... unless this is set: the seed of a given epoch's permutation.
  std::function<std::uint64_t(std::int64_t epoch)> epoch_seed = {};
  int prefetch = 2;  ///< batches kept ready
  /// Sets up to this many bytes (as float32) are held in memory; larger ones are read row by row. 0: half of
  /// what is free.
  std::uint64_t memory = 0;

  void validate() const;  ///< \throws std::invalid_argument
};

/// One batch: `rows` rows of the data, row-major float32 [rows, dim].
struct Batch {
  std::int64_t epoch = 0;
  std::int64_t index = 0;  ///< within the epoch
  std::int64_t rows = 0;
  std::vector<float> values;
};

/// Endless batches, epoch after epoch. The source must outlive the loader and is read by the loader's thread
/// alone.
class MSAE_EXPORT BatchLoader {
 public:
  BatchLoader(EmbeddingSource& source, LoaderOptions options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  std::int64_t batches_per_epoch() const;

  /// Goes on from batch `index` of `epoch`; used to resume. Before the first next() it costs nothing.
  void seek(std::int64_t epoch, std::int64_t index);

  /// The next batch; waits for it. Rethrows what reading it threw.
  Batch next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The order of rows in one epoch: the permutation of [0, rows) that torch.randperm draws from a fresh CPU
/// generator seeded with `seed`.
MSAE_EXPORT std::vector<std::int64_t> permutation(std::int64_t rows, std::uint64_t seed);

}  // namespace msae::data
