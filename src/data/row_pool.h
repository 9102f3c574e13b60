/// \file
/// Rows of a source that is larger than memory, in the order of pool_order.h: one pool is taken from while a
/// thread fills the next.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "data/handover.h"
#include "data/pool_order.h"
#include "msae/data/source.h"

namespace msae::data {

class RowPool {
 public:
  /// \throws msae::Error where two pools do not fit into memory
  static void require_memory(const EmbeddingSource& source, const PoolOrder& order);

  /// Begins to read for a place in an epoch. \param seed of an epoch; called by the pool's thread alone
  RowPool(EmbeddingSource& source, const PoolOrder& order, std::function<std::uint64_t(std::int64_t)> seed,
          std::int64_t epoch, std::int64_t place);
  /// Waits for the piece at hand, no longer.
  ~RowPool();
  RowPool(const RowPool&) = delete;
  RowPool& operator=(const RowPool&) = delete;

  /// The rows that follow, as many as fit `out`, which stay within the epoch. Waits for them; after stop() it
  /// leaves `out` as it is.
  /// \throws what reading them threw
  void take(std::span<float> out);

  /// Ends the reading soon, from any thread; there is nothing to take afterwards.
  void stop() { handover_.stop(); }

 private:
  struct Pool {
    std::vector<float> values;        ///< [rows, dim] as they were read
    std::vector<std::int64_t> order;  ///< [rows], in which they are taken
  };

  void fill_pools();
  void fill(Pool& pool, std::int64_t epoch, std::int64_t index);

  EmbeddingSource& source_;
  PoolOrder order_;
  std::function<std::uint64_t(std::int64_t)> seed_;
  std::size_t width_;
  std::int64_t epoch_, next_;  ///< of the pool to fill next
  std::size_t taken_;          ///< rows of the pool at hand
  std::array<Pool, 2> pools_;
  Handover handover_{2};  ///< of the pools
  std::thread thread_;    ///< last: it uses all of the above
};

}  // namespace msae::data
