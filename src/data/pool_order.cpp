#include "data/pool_order.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "data/epoch_order.h"
#include "data/random.h"
#include "msae/core/memory.h"
#include "msae/data/batch_loader.h"

namespace msae::data {

PoolOrder::PoolOrder(std::int64_t rows, std::int64_t pool, std::int64_t piece)
    : rows_(rows), piece_(piece), pools_((rows - 1) / pool + 1) {}

// The first pools have a row more where the rows do not divide by their number.
std::int64_t PoolOrder::begin(std::int64_t pool) const {
  return rows_ / pools_ * pool + std::min(pool, rows_ % pools_);
}

std::int64_t PoolOrder::pool_at(std::int64_t place) const {
  auto pool = std::min(place / (rows_ / pools_), pools_ - 1);
  while (begin(pool) > place) --pool;
  return pool;
}

// Pieces that lie together are often alike, as those of a class are. A permutation of all would leave a pool
// without many a class; this way it has of each its share, as far as pieces go.
std::vector<std::int64_t> PoolOrder::pieces_in_turn(std::uint64_t seed) const {
  const auto groups = (pieces() - 1) / pools_ + 1;
  std::vector<std::int64_t> in_turn(static_cast<std::size_t>(groups * pools_));
  std::vector<std::int64_t> group(static_cast<std::size_t>(pools_));
  Random random(seed);
  for (std::int64_t g = 0; g < groups; ++g) {
    std::iota(group.begin(), group.end(), g * pools_);
    for (std::int64_t turn = 0; turn < pools_; ++turn) {
      const auto left = static_cast<std::uint64_t>(pools_ - turn);
      const auto drawn = turn + static_cast<std::int64_t>(random.bits() % left);
      std::swap(group[static_cast<std::size_t>(turn)], group[static_cast<std::size_t>(drawn)]);
      in_turn[static_cast<std::size_t>(turn * groups + g)] = group[static_cast<std::size_t>(turn)];
    }
  }
  std::erase_if(in_turn, [this](std::int64_t piece) { return piece >= pieces(); });
  return in_turn;
}

std::vector<RowRange> PoolOrder::ranges(std::int64_t pool, std::uint64_t seed) const {
  std::vector<RowRange> ranges;
  const auto from = begin(pool), to = begin(pool + 1);
  std::int64_t place = 0;  // in the epoch
  for (const auto piece : pieces_in_turn(seed)) {
    const auto first = piece * piece_;
    const auto count = std::min(piece_, rows_ - first);
    const auto cut = std::max(from - place, std::int64_t{0});
    const auto end = std::min(count, to - place);
    if (cut < end) ranges.push_back({first + cut, end - cut});
    place += count;
    if (place >= to) break;
  }
  return ranges;
}

std::vector<std::int64_t> PoolOrder::order(std::int64_t pool, std::uint64_t seed) const {
  return permutation(size(pool), mix(seed, static_cast<std::uint64_t>(pool)));
}

std::uint64_t bytes_of_pools(std::int64_t rows, std::int64_t dim) {
  const auto row = bytes_of_rows(1, dim) + sizeof(std::int64_t);
  return saturating_product(saturating_product(static_cast<std::uint64_t>(rows), row), 2);
}

std::int64_t piece_rows(const EmbeddingSource& source, std::int64_t pool) {
  // Large enough for a disk that is told some of them ahead (RowPool), small enough that classes of some
  // hundred rows, one after the other in the file, are in every pool: tests/acceptance/shuffle_quality.py.
  constexpr std::int64_t piece_values = 1 << 15, least_pieces = 256;  // of a pool
  const auto some = std::clamp<std::int64_t>(piece_values / source.dim(), 1,
                                             std::max<std::int64_t>(1, pool / least_pieces));
  const auto together = source.rows_together();
  return std::min(pool, std::max(together, some / together * together));
}

}  // namespace msae::data
