/// \file
/// The wire format of protocol buffers, as much of it as ONNX needs: its own headers do not compile beside
/// those that LibTorch brings. Torch-free.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace msae::io {

/// A message being written: fields one after the other, under their numbers in the .proto file.
class ProtobufMessage {
 public:
  const std::string& bytes() const { return bytes_; }

  /// Of a type int32, int64 or an enum.
  void integer(unsigned field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(unsigned field, float value) {
    key(field, 5);
    const auto little = std::bit_cast<std::array<char, 4>>(value);
    bytes_.append(little.data(), little.size());
  }
  /// Of a type string, bytes, or a message.
  void text(unsigned field, std::string_view value) {
    begin_text(field, value.size());
    bytes_ += value;
  }
  void message(unsigned field, const ProtobufMessage& value) { text(field, value.bytes()); }
  /// What text() writes before the text, whose `size` bytes follow elsewhere.
  void begin_text(unsigned field, std::uint64_t size) {
    key(field, 2);
    varint(size);
  }

 private:
  static_assert(std::endian::native == std::endian::little, "floats are copied as they are");

  void key(unsigned field, unsigned type) { varint(field << 3 | type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace msae::io
