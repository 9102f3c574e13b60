#include <algorithm>
#include <future>

#include "data/epoch_order.h"
#include "train/device_queue.h"
#include "train/feed.h"

namespace msae::train {
namespace {

// Orders of epochs in pinned memory [rows], the next one drawn while the last one is in use.
class Orders {
 public:
  Orders(c10::Device device, std::int64_t rows, data::LoaderOptions options)
      : device_(device), rows_(rows), options_(std::move(options)) {}

  torch::Tensor take(std::int64_t epoch) {
    if (!next_.valid() || next_epoch_ != epoch) draw(epoch);
    auto order = next_.get();
    draw(epoch + 1);
    return order;
  }

 private:
  void draw(std::int64_t epoch) {
    if (next_.valid()) next_.wait();  // LoaderOptions::epoch_seed takes one thread at a time
    next_epoch_ = epoch;
    next_ = std::async(std::launch::async, [this, epoch] {
      const auto order = data::epoch_order(rows_, options_, epoch);
      auto host = host_buffer(device_, {rows_}, torch::kInt64);
      std::copy(order.begin(), order.end(), host.mutable_data_ptr<std::int64_t>());
      return host;
    });
  }

  c10::Device device_;
  std::int64_t rows_;
  data::LoaderOptions options_;
  std::int64_t next_epoch_ = -1;
  std::future<torch::Tensor> next_;  // last: it waits for the thread, which uses the others
};

class ResidentFeed final : public Feed {
 public:
  ResidentFeed(FeedPlace place, std::shared_ptr<const ResidentRows> rows, const data::LoaderOptions& options)
      : type_(place.type),
        rows_(std::move(rows)),
        batch_size_(options.batch_size),
        count_(rows_->values.size(0)),
        orders_(place.device, count_, options) {
    options.validate();
    data::require_memory_of_order(count_);
  }

  torch::Tensor next() override {
    const torch::NoGradGuard no_grad;
    const auto& values = rows_->values;
    take_order();
    const auto first = place_.index * batch_size_, count = std::min(batch_size_, count_ - first);
    place_.advance(batches_per_epoch());
    if (!gathered_.defined()) {
      gathered_ = torch::empty({std::min(batch_size_, count_), values.size(1)}, values.options());
    }
    auto batch = gathered_.narrow(0, 0, count);
    torch::index_select_out(batch, values, 0, order_.narrow(0, first, count));
    return batch.to(type_);
  }

  void seek(std::int64_t epoch, std::int64_t index) override {
    place_ = data::BatchPlace::at(epoch, index, batches_per_epoch());
  }

  std::int64_t batches_per_epoch() const override { return data::batches_of(count_, batch_size_); }

 private:
  void take_order() {
    if (order_epoch_ == place_.epoch) return;
    const auto order = orders_.take(place_.epoch);
    if (!order_.defined()) order_ = torch::empty({count_}, rows_->values.options().dtype(torch::kInt64));
    order_.copy_(order, /*non_blocking=*/true);
    order_epoch_ = place_.epoch;
  }

  torch::ScalarType type_;
  std::shared_ptr<const ResidentRows> rows_;
  std::int64_t batch_size_, count_;
  Orders orders_;
  data::BatchPlace place_;
  torch::Tensor order_;     ///< [rows] int64, on the device: of the epoch below
  torch::Tensor gathered_;  ///< [batch size, dim], as the rows are kept
  std::int64_t order_epoch_ = -1;
};

}  // namespace

std::unique_ptr<Feed> make_resident_feed(FeedPlace place, std::shared_ptr<const ResidentRows> rows,
                                         const data::LoaderOptions& options) {
  return std::make_unique<ResidentFeed>(place, std::move(rows), options);
}

}  // namespace msae::train
