/// \file
/// A source of embeddings under the eyes of a test.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "msae/data/source.h"

namespace msae::test {

/// Another source, which must outlive it. `before_read` is called with the number of rows before each read,
/// on the reading thread, and may count, wait or throw.
class WatchedSource final : public data::EmbeddingSource {
 public:
  WatchedSource(data::EmbeddingSource& whole, std::function<void(std::int64_t count)> before_read)
      : whole_(whole), before_read_(std::move(before_read)) {}
  std::int64_t rows() const override { return whole_.rows(); }
  std::int64_t dim() const override { return whole_.dim(); }
  std::string name() const override { return whole_.name(); }

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    before_read_(count);
    whole_.read(first, count, out);
  }
  data::EmbeddingSource& whole_;
  std::function<void(std::int64_t)> before_read_;
};

}  // namespace msae::test
