#include "data/row_pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "msae/core/memory.h"

namespace msae::data {

RowPool::RowPool(EmbeddingSource& source, const PoolOrder& order,
                 std::function<std::uint64_t(std::int64_t)> seed, std::int64_t epoch, std::int64_t place)
    : source_(source),
      order_(order),
      seed_(std::move(seed)),
      width_(static_cast<std::size_t>(source.dim())),
      epoch_(epoch),
      next_(order.pool_at(place)),
      taken_(static_cast<std::size_t>(place - order.begin(next_))) {
  thread_ = std::thread([this] { fill_pools(); });
}

void RowPool::require_memory(const EmbeddingSource& source, const PoolOrder& order) {
  const auto rows = order.size(0);
  msae::require_memory(bytes_of_pools(rows, source.dim()),
                       "shuffling " + std::to_string(rows) + " rows of " + source.name() + " at a time");
}

RowPool::~RowPool() {
  stop();
  thread_.join();
}

void RowPool::take(std::span<float> out) {
  while (!out.empty()) {
    if (!handover_.wait_for_made()) return;
    const auto& pool = pools_[handover_.slot_to_take()];
    const auto count = std::min(out.size() / width_, pool.order.size() - taken_);
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::size_t>(pool.order[taken_ + i]) * width_;
      std::copy_n(pool.values.begin() + static_cast<std::ptrdiff_t>(from), width_,
                  out.begin() + static_cast<std::ptrdiff_t>(i * width_));
    }
    out = out.subspan(count * width_);
    taken_ += count;
    if (taken_ < pool.order.size()) return;
    taken_ = 0;
    handover_.taken();
  }
}

void RowPool::fill_pools() {
  try {
    while (handover_.wait_for_room()) {
      fill(pools_[handover_.slot_to_make()], epoch_, next_);
      if (++next_ == order_.pools()) next_ = 0, ++epoch_;
      handover_.made();
    }
  } catch (...) {
    handover_.failed();
  }
}

void RowPool::fill(Pool& pool, std::int64_t epoch, std::int64_t index) {
  const auto seed = seed_(epoch);
  pool.order = order_.order(index, seed);
  pool.values.resize(pool.order.size() * width_);
  std::span<float> room(pool.values);
  const auto ranges = order_.ranges(index, seed);
  constexpr std::size_t ahead = 32;  // so many small reads keep a disk busy
  std::size_t expected = 0;
  for (std::size_t i = 0; i < ranges.size() && !handover_.stopping(); ++i) {
    for (; expected < std::min(ranges.size(), i + ahead); ++expected) {
      source_.expect(ranges[expected].first, ranges[expected].count);
    }
    const auto values = static_cast<std::size_t>(ranges[i].count) * width_;
    source_.read(ranges[i].first, ranges[i].count, room.first(values));
    room = room.subspan(values);
  }
}

}  // namespace msae::data
