/// \file
/// The order of rows of a source that is larger than memory.
#pragma once

#include <cstdint>
#include <vector>

#include "msae/data/source.h"

namespace msae::data {

/// Rows that lie one after the other in the source.
struct RowRange {
  std::int64_t first = 0, count = 0;
  bool operator==(const RowRange&) const = default;
};

/// The source in pieces, of which every pool has one out of so many that lie together as there are pools,
/// drawn at random. Pools are of about equal size, and each is permuted by itself. Everything is a pure
/// function of the sizes and a seed.
class PoolOrder {
 public:
  /// \param rows  of the source, at least 1
  /// \param pool  rows of a pool at most, from 1 to `rows`
  /// \param piece rows of a piece, at least 1; the last one may have fewer
  PoolOrder(std::int64_t rows, std::int64_t pool, std::int64_t piece);

  std::int64_t pools() const { return pools_; }
  std::int64_t pieces() const { return (rows_ - 1) / piece_ + 1; }
  /// Where a pool begins in the epoch; for pools(), the epoch's end.
  std::int64_t begin(std::int64_t pool) const;
  std::int64_t size(std::int64_t pool) const { return begin(pool + 1) - begin(pool); }
  /// In which pool a place in the epoch lies.
  std::int64_t pool_at(std::int64_t place) const;

  /// What to read for one pool, in the order in which it is put there: nearly that of the file.
  std::vector<RowRange> ranges(std::int64_t pool, std::uint64_t seed) const;
  /// In which order the rows of a pool are taken: numbers in the pool.
  std::vector<std::int64_t> order(std::int64_t pool, std::uint64_t seed) const;

 private:
  std::vector<std::int64_t> pieces_in_turn(std::uint64_t seed) const;

  std::int64_t rows_, piece_, pools_;
};

/// What two pools of so many rows each, and their orders, take.
std::uint64_t bytes_of_pools(std::int64_t rows, std::int64_t dim);

/// Rows of a piece: about 32,768 values, whole chunks of the file, and a small part of the pool.
std::int64_t piece_rows(const EmbeddingSource& source, std::int64_t pool);

}  // namespace msae::data
