#include "msae/data/batch_loader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "data/epoch_order.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

/// The rows of a source in any order: out of memory once load() has put them there, else straight from the
/// source, to the same values.
class RowReader {
 public:
  explicit RowReader(EmbeddingSource& source)
      : source_(source), rows_(source.rows()), width_(static_cast<std::size_t>(source.dim())) {}

  std::size_t width() const { return width_; }
  std::uint64_t bytes() const {
    return saturating_product(saturating_product(static_cast<std::uint64_t>(rows_), width_), sizeof(float));
  }

  /// Takes the whole source into memory, unless `stop` turns true on the way.
  void load(const std::atomic<bool>& stop) {
    if (!resident_.empty()) return;
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
}

class BatchLoader::Impl {
 public:
  Impl(EmbeddingSource& source, LoaderOptions options)
      : options_(std::move(options)), reader_(source), rows_(rows_for_batches(source)) {
    options_.validate();
    require_memory_of_order(rows_);  // now, not by the thread after a look at all the data
  }
  ~Impl() { stop(); }

  std::int64_t batches_per_epoch() const { return batches_of(rows_, options_.batch_size); }

  void seek(std::int64_t epoch, std::int64_t index) {
    const auto place = BatchPlace::at(epoch, index, batches_per_epoch());
    stop();
    place_ = place;
  }

  Batch next() {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !ready_.empty() || failure_; });
    if (ready_.empty()) std::rethrow_exception(failure_);
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    taken_.notify_one();
    return batch;
  }

 private:
  /// The loader's thread. Everything below the queue is its own while it runs.
  void run() {
    try {
      if (reader_.bytes() <= (options_.memory > 0 ? options_.memory : available_memory() / 2))
        reader_.load(stopping_);
      while (wait_for_room()) add(read());
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      arrived_.notify_one();
    }
  }

  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    taken_.wait(lock,
                [this] { return stopping_ || ready_.size() < static_cast<std::size_t>(options_.prefetch); });
    return !stopping_;
  }

  void add(Batch batch) {
    const std::lock_guard lock(mutex_);
    ready_.push_back(std::move(batch));
    arrived_.notify_one();
  }

  Batch read() {
    draw_order();
    const auto first = place_.index * options_.batch_size;
    Batch batch{.epoch = place_.epoch,
                .index = place_.index,
                .rows = std::min(options_.batch_size, rows_ - first),
                .values = {}};
    reader_.gather(
        std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(batch.rows)),
        batch.values);
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
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    taken_.notify_one();
    thread_.join();
    stopping_ = false;
    failure_ = nullptr;
    ready_.clear();
  }

  LoaderOptions options_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable taken_;
  std::deque<Batch> ready_;
  std::exception_ptr failure_;

  RowReader reader_;
  std::int64_t rows_;
  BatchPlace place_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
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
