#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>

#include "data/handover.h"
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
    if (batch_.rows == 0) return {};
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
        copies_(stream_of_copies(place.device)),
        handover_(2, options.stop) {}
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
    if (!handover_.wait_for_made()) return {};  // stopped by this thread alone: interrupted
    auto& slot = *slots_[handover_.slot_to_take()];
    given_ = true;
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

  // What the call before gave out.
  void give_back(const c10::Stream& steps) {
    if (!std::exchange(given_, false)) return;
    slots_[handover_.slot_to_take()]->used.set(steps);
    handover_.taken();
  }

  void work() {
    try {
      while (handover_.wait_for_room()) {
        if (!fill(*slots_[handover_.slot_to_make()])) return;
        handover_.made();
      }
    } catch (...) {
      handover_.failed();
    }
  }

  // False when told to stop.
  bool fill(Slot& slot) {
    auto batch = loader_.next();
    if (batch.rows == 0) return false;
    slot.rows = batch.rows;
    slot.copied.wait();  // the copy before this one has left the pinned buffer
    const auto host = slot.host.narrow(0, 0, batch.rows);
    host.copy_(as_tensor(batch));
    const c10::StreamGuard guard(copies_);
    slot.used.hold_back(copies_);
    slot.device.narrow(0, 0, batch.rows).copy_(host, /*non_blocking=*/true);
    slot.copied.set(copies_);
    return true;
  }

  // Ends the thread, and waits for its copies: afterwards the buffers are nobody's.
  void stop() {
    if (!worker_.joinable()) return;
    handover_.stop();
    worker_.join();
    give_back(stream_in_use(place_.device));
    for (const auto& slot : slots_) slot->copied.wait();
    handover_.reset();
  }

  FeedPlace place_;
  std::int64_t rows_, dim_;
  data::BatchLoader loader_;  // the worker's while that runs
  c10::Stream copies_;
  std::array<std::optional<Slot>, 2> slots_;
  data::Handover handover_;  // of the slots
  bool given_ = false;       // the slot to take is the caller's until the next call
  std::thread worker_;
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
