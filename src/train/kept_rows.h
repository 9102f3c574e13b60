// Rows that stay on a device between runs.
#pragma once

#include <memory>
#include <string>

#include "msae/train/trainer.h"
#include "train/feed.h"

namespace msae::train {

class KeptRows::Impl {
 public:
  /// rows_that_fit(), or those that are here already. What is here and not wanted goes first.
  /// \param data what tells the source's rows from others of the same object, as a digest
  /// \param free bytes that are free on the device: half of them, with what is here, are for rows
  std::shared_ptr<const ResidentRows> take(data::EmbeddingSource& source, const std::string& data,
                                           c10::Device device, std::uint64_t free, HalfRows half,
                                           const std::function<void(double)>& progress);

 private:
  bool serve(HalfRows half, bool single_fits) const;

  const data::EmbeddingSource* source_ = nullptr;
  std::string data_;
  std::shared_ptr<const ResidentRows> rows_;
};

}  // namespace msae::train
