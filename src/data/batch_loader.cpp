#include "msae/data/batch_loader.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "data/epoch_order.h"
#include "data/handover.h"
#include "data/pool_order.h"
#include "data/row_pool.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

/// The rows of a source in any order: out of memory once load() has put them there, else straight from the
/// source, to the same values.
class RowReader {
 public:
  explicit RowReader(EmbeddingSource& source)
      : source_(source), rows_(source.rows()), width_(static_cast<std::size_t>(source.dim())) {}

  EmbeddingSource& source() { return source_; }
  std::size_t width() const { return width_; }
  std::uint64_t bytes() const { return bytes_of_rows(rows_, source_.dim()); }

  /// Takes the whole source into memory, unless `stop` turns true on the way.
  void load(const std::atomic<bool>& stop) {
    if (!resident_.empty()) return;
    require_memory(bytes(), source_.name() + ": holding its rows in memory");
    constexpr std::size_t piece_values = std::size_t{1} << 22;  // 16 MB between two looks at stop
    const auto step = static_cast<std::int64_t>(std::max<std::size_t>(1, piece_values / width_));
    std::vector<float> values(static_cast<std::size_t>(rows_) * width_);
    for (std::int64_t first = 0; first < rows_; first += step) {
      if (stop) return;
      const auto count = std::min(step, rows_ - first);
      source_.read(first, count, rows_of(values, first, count));
    }
    resident_ = std::move(values);
  }

  /// Row `rows[i]` of the source becomes row i of `out`.
  void gather(std::span<const std::int64_t> rows, std::vector<float>& out) {
    out.resize(rows.size() * width_);
    if (resident_.empty()) return gather_from_source(rows, out);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = rows_of(resident_, rows[i], 1);
      std::copy(row.begin(), row.end(), out.begin() + static_cast<std::ptrdiff_t>(i * width_));
    }
  }

 private:
  std::span<float> rows_of(std::vector<float>& values, std::int64_t first, std::int64_t count) const {
    return std::span(values).subspan(static_cast<std::size_t>(first) * width_,
                                     static_cast<std::size_t>(count) * width_);
  }

  /// In the order of the file, neighbours in one read.
  void gather_from_source(std::span<const std::int64_t> rows, std::vector<float>& out) {
    std::vector<std::size_t> places(rows.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return rows[a] < rows[b]; });
    for (std::size_t begin = 0, end = 0; begin < places.size(); begin = end) {
      const auto first = rows[places[begin]];
      for (end = begin + 1; end < places.size(); ++end) {
        if (rows[places[end]] != first + static_cast<std::int64_t>(end - begin)) break;
      }
      scratch_.resize((end - begin) * width_);
      source_.read(first, static_cast<std::int64_t>(end - begin), scratch_);
      for (std::size_t i = begin; i < end; ++i) {
        const auto row = rows_of(scratch_, static_cast<std::int64_t>(i - begin), 1);
        std::copy(row.begin(), row.end(), out.begin() + static_cast<std::ptrdiff_t>(places[i] * width_));
      }
    }
  }

  EmbeddingSource& source_;
  std::int64_t rows_;
  std::size_t width_;
  std::vector<float> resident_;
  std::vector<float> scratch_;
};

}  // namespace

void LoaderOptions::validate() const {
  const auto positive = [](const char* field, std::int64_t value) {
    if (value >= 1) return;
    throw std::invalid_argument(std::string(field) + ": must be at least 1, not " + std::to_string(value));
  };
  positive("batch_size", batch_size);
  positive("prefetch", prefetch);
  if (shuffle_rows < 0) {
    throw std::invalid_argument("shuffle_rows: must not be negative, not " + std::to_string(shuffle_rows));
  }
}

std::int64_t shuffled_rows(const EmbeddingSource& source, std::uint64_t memory) {
  constexpr std::int64_t least_pool = 1 << 18;
  constexpr auto least = static_cast<std::uint64_t>(least_pool);
  const auto rows = static_cast<std::uint64_t>(rows_for_batches(source));
  const auto room = room_for_rows(memory);
  const auto of_all = bytes_of_rows(source.rows(), source.dim());
  if (of_all <= room) return all_rows;
  const auto pool = std::max(memory > 0 ? 0 : least, room / bytes_of_pools(1, source.dim()));
  if (pool < least && pool < rows) {
    const auto enough = std::min(of_all, bytes_of_pools(least_pool, source.dim()));
    throw std::invalid_argument("memory: " + human_bytes(memory) + " hold two pools of " +
                                std::to_string(pool) + " rows of " + source.name() +
                                ", too few to shuffle them well; give at least " +
                                human_bytes(enough + enough / 16) +  // whose digits are rounded
                                ", or say how many rows to shuffle together");
  }
  return pool < rows ? static_cast<std::int64_t>(pool) : all_rows;
}

class BatchLoader::Impl {
  static LoaderOptions checked(LoaderOptions options) {
    options.validate();
    return options;
  }

 public:
  Impl(EmbeddingSource& source, LoaderOptions options)
      : options_(checked(std::move(options))), reader_(source), rows_(rows_for_batches(source)) {
    choose_pools();
    // Now, not by the thread after a look at all the data.
    if (pools_) RowPool::require_memory(source, *pools_);
    require_memory_of_order(pools_ ? pools_->pieces() : rows_);
  }
  ~Impl() { stop(); }

  std::int64_t batches_per_epoch() const { return batches_of(rows_, options_.batch_size); }

  void seek(std::int64_t epoch, std::int64_t index) {
    const auto place = BatchPlace::at(epoch, index, batches_per_epoch());
    stop();
    place_ = place;
  }

  Batch next() {
    if (!thread_.joinable()) start();
    if (!handover_.wait_for_made()) return {};  // stopped by this thread alone: interrupted
    Batch batch = std::move(ready_[handover_.slot_to_take()]);
    handover_.taken();
    return batch;
  }

 private:
  void choose_pools() {
    if (!options_.shuffle) return;
    const auto& asked = options_.shuffle_rows;
    const auto pool = asked > 0 ? asked : shuffled_rows(reader_.source(), options_.memory);
    if (pool < rows_) pools_.emplace(rows_, pool, piece_rows(reader_.source(), pool));
  }

  /// The loader's thread. Everything but `ready_` is its own while it runs.
  void run() {
    try {
      if (!pool_) load_what_fits();
      while (handover_.wait_for_room()) {
        ready_[handover_.slot_to_make()] = read();
        handover_.made();
      }
    } catch (...) {
      handover_.failed();
    }
  }

  // What fitted in half of the memory when this was decided may be more than half of what is left by now.
  void load_what_fits() {
    const auto room = options_.memory > 0 ? options_.memory : available_memory() / 10 * 9;
    if (reader_.bytes() <= room) return reader_.load(handover_.stopping());
    if (!options_.shuffle) return;
    log::warning(reader_.source().name() + ": all rows are shuffled together, but need " +
                 human_bytes(reader_.bytes()) + " of memory where " + human_bytes(room) +
                 " may be taken; they are read from the file batch by batch, which is slow");
  }

  void start() {
    if (pools_) {
      const auto seed = [this](std::int64_t epoch) { return seed_of_epoch(options_, epoch); };
      pool_.emplace(reader_.source(), *pools_, seed, place_.epoch, place_.index * options_.batch_size);
    }
    thread_ = std::thread([this] { run(); });
  }

  Batch read() {
    if (!pool_) draw_order();
    const auto first = place_.index * options_.batch_size;
    Batch batch{.epoch = place_.epoch,
                .index = place_.index,
                .rows = std::min(options_.batch_size, rows_ - first),
                .values = {}};
    const auto rows = static_cast<std::size_t>(batch.rows);
    if (pool_) {
      batch.values.resize(rows * reader_.width());
      pool_->take(batch.values);
    } else {
      reader_.gather(std::span(order_).subspan(static_cast<std::size_t>(first), rows), batch.values);
    }
    place_.advance(batches_per_epoch());
    return batch;
  }

  void draw_order() {
    if (!order_.empty() && (order_epoch_ == place_.epoch || !options_.shuffle)) return;
    order_.clear();
    require_memory_of_order(rows_);
    order_ = epoch_order(rows_, options_, place_.epoch);
    order_epoch_ = place_.epoch;
  }

  /// Ends the thread and forgets what it read ahead.
  void stop() {
    if (!thread_.joinable()) return;
    handover_.stop();
    if (pool_) pool_->stop();
    thread_.join();
    pool_.reset();
    handover_.reset();
  }

  LoaderOptions options_;
  RowReader reader_;
  std::int64_t rows_;
  std::optional<PoolOrder> pools_;  // none: all rows are shuffled together, or none
  BatchPlace place_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;

  std::vector<Batch> ready_ = std::vector<Batch>(static_cast<std::size_t>(options_.prefetch));
  Handover handover_{options_.prefetch, options_.stop};  // of what is ready
  std::optional<RowPool> pool_;                          // while the thread runs
  std::thread thread_;
};

BatchLoader::BatchLoader(EmbeddingSource& source, LoaderOptions options)
    : impl_(std::make_unique<Impl>(source, std::move(options))) {}
BatchLoader::~BatchLoader() = default;
std::int64_t BatchLoader::batches_per_epoch() const {
  return impl_->batches_per_epoch();
}
void BatchLoader::seek(std::int64_t epoch, std::int64_t index) {
  impl_->seek(epoch, index);
}
Batch BatchLoader::next() {
  return impl_->next();
}

}  // namespace msae::data
