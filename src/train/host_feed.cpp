#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "train/device_queue.h"
#include "train/feed.h"

namespace msae::train {
namespace {

torch::Tensor as_tensor(data::Batch& batch) {
  const auto dim = static_cast<std::int64_t>(batch.values.size()) / batch.rows;
  return torch::from_blob(batch.values.data(), {batch.rows, dim}, torch::kFloat32);
}

class HostFeed final : public Feed {
 public:
  HostFeed(FeedPlace place, data::EmbeddingSource& source, data::LoaderOptions options)
      : place_(place), loader_(source, std::move(options)) {}

  torch::Tensor next() override {
    batch_ = {};
    batch_ = loader_.next();
    return as_tensor(batch_).to(place_.device, place_.type);
  }
  void seek(std::int64_t epoch, std::int64_t index) override { loader_.seek(epoch, index); }
  std::int64_t batches_per_epoch() const override { return loader_.batches_per_epoch(); }

 private:
  FeedPlace place_;
  data::BatchLoader loader_;
  data::Batch batch_;
};

// Batch i goes through slot i % 2. A slot belongs to the worker until it is filled, then to the caller until
// the call after the one that gave it out.
class StreamingFeed final : public Feed {
 public:
  StreamingFeed(FeedPlace place, data::EmbeddingSource& source, const data::LoaderOptions& options)
      : place_(place),
        rows_(std::min(options.batch_size, source.rows())),
        dim_(source.dim()),
        loader_(source, options),
        copies_(stream_of_copies(place.device)) {}
  ~StreamingFeed() override {
    try {
      stop();
    } catch (...) {  // NOLINT(bugprone-empty-catch): of a device that is beyond use, and has said so before
    }
  }
  StreamingFeed(const StreamingFeed&) = delete;
  StreamingFeed& operator=(const StreamingFeed&) = delete;

  torch::Tensor next() override {
    if (!worker_.joinable()) start();
    const auto steps = stream_in_use(place_.device);
    give_back(steps);
    auto& slot = wait_for_filled();
    slot.copied.hold_back(steps);
    return slot.device.narrow(0, 0, slot.rows).to(place_.type);
  }

  void seek(std::int64_t epoch, std::int64_t index) override {
    stop();
    loader_.seek(epoch, index);
  }
  std::int64_t batches_per_epoch() const override { return loader_.batches_per_epoch(); }

 private:
  struct Slot {
    torch::Tensor host, device;  ///< [batch size, dim] float32
    Mark copied, used;           ///< the last copy to `device`, and the last that was asked to read it
    std::int64_t rows = 0;
  };

  void start() {
    for (auto& slot : slots_) {
      if (slot) continue;
      slot.emplace(
          Slot{host_buffer(place_.device, {rows_, dim_}, torch::kFloat32),
               torch::empty({rows_, dim_}, torch::TensorOptions(torch::kFloat32).device(place_.device)),
               Mark(place_.device), Mark(place_.device)});
      // The memory may have been freed by work that the steps' stream has not come to yet.
      slot->used.set(stream_in_use(place_.device));
    }
    worker_ = std::thread([this] { work(); });
  }

  void give_back(const c10::Stream& steps) {
    if (taken_ == given_back_) return;
    slots_[static_cast<std::size_t>(given_back_ % 2)]->used.set(steps);
    const std::lock_guard lock(mutex_);
    ++given_back_;
    changed_.notify_all();
  }

  Slot& wait_for_filled() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return filled_ > taken_ || failure_; });
    if (filled_ == taken_) std::rethrow_exception(failure_);
    return *slots_[static_cast<std::size_t>(taken_++ % 2)];
  }

  void work() {
    try {
      while (wait_for_room()) {
        fill(*slots_[static_cast<std::size_t>(filled_ % 2)]);
        const std::lock_guard lock(mutex_);
        ++filled_;
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || filled_ < given_back_ + 2; });
    return !stopping_;
  }

  void fill(Slot& slot) {
    auto batch = loader_.next();
    slot.rows = batch.rows;
    slot.copied.wait();  // the copy before this one has left the pinned buffer
    const auto host = slot.host.narrow(0, 0, batch.rows);
    host.copy_(as_tensor(batch));
    const c10::StreamGuard guard(copies_);
    slot.used.hold_back(copies_);
    slot.device.narrow(0, 0, batch.rows).copy_(host, /*non_blocking=*/true);
    slot.copied.set(copies_);
  }

  // Ends the thread, and waits for its copies: afterwards the buffers are nobody's.
  void stop() {
    if (!worker_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    worker_.join();
    give_back(stream_in_use(place_.device));
    for (const auto& slot : slots_) slot->copied.wait();
    stopping_ = false;
    failure_ = nullptr;
    filled_ = taken_ = given_back_ = 0;
  }

  FeedPlace place_;
  std::int64_t rows_, dim_;
  data::BatchLoader loader_;  // the worker's while that runs
  c10::Stream copies_;
  std::array<std::optional<Slot>, 2> slots_;
  std::thread worker_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t filled_ = 0, taken_ = 0, given_back_ = 0;  // batches
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace

std::unique_ptr<Feed> make_host_feed(FeedPlace place, data::EmbeddingSource& source,
                                     const data::LoaderOptions& options) {
  if (!place.device.is_cpu()) return make_streaming_feed(place, source, options);
  return std::make_unique<HostFeed>(place, source, options);
}

std::unique_ptr<Feed> make_streaming_feed(FeedPlace place, data::EmbeddingSource& source,
                                          const data::LoaderOptions& options) {
  return std::make_unique<StreamingFeed>(place, source, options);
}

}  // namespace msae::train
