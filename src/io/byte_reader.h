/// \file
/// Little-endian numbers and runs of bytes, one after the other, from text that may end early. Torch-free.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "msae/core/error.h"

namespace msae::io {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

class ByteReader {
 public:
  /// \param what is read, for the message when it ends early: "<what> is cut short". `bytes` must outlive it.
  ByteReader(std::string_view bytes, std::string what) : rest_(bytes), what_(std::move(what)) {}

  bool empty() const { return rest_.empty(); }

  /// \throws msae::IoError when fewer are left
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) throw IoError(what_ + " is cut short");
    const auto taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return taken;
  }
  template <class Number>
  Number number() {
    Number value;
    const auto bytes = take(sizeof(Number));
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  /// Up to a line feed, which is taken too.
  std::string_view line() {
    const auto end = rest_.find('\n');
    if (end == std::string_view::npos) throw IoError(what_ + " is cut short");
    const auto taken = take(end);
    take(1);
    return taken;
  }

 private:
  std::string_view rest_;
  std::string what_;
};

}  // namespace msae::io
