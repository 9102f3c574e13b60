#include "concepts/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace msae::concepts {
namespace {

/// In as few bytes as it takes, whatever the number.
std::string as_utf8(std::uint32_t point) {
  const auto byte = [](std::uint32_t bits) { return static_cast<char>(bits); };
  if (point < 0x80) return {byte(point)};
  const auto tail = [&](int shift) { return byte(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x800) return {byte(0xc0 | (point >> 6)), tail(0)};
  if (point < 0x10000) return {byte(0xe0 | (point >> 12)), tail(6), tail(0)};
  return {byte(0xf0 | (point >> 18)), tail(12), tail(6), tail(0)};
}

bool is_scalar(std::uint32_t point) {
  return point < 0x110000 && (point < 0xd800 || point > 0xdfff);
}

/// Reads one number after the other and writes it again.
bool comes_back(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    std::uint32_t point = length == 1 ? first : first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      if (at + i >= text.size()) return false;
      point = (point << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3fu);
    }
    if (!is_scalar(point) || text.compare(at, length, as_utf8(point)) != 0) return false;
    at += length;
  }
  return true;
}

TEST(Utf8, IsEveryCharacterThereIs) {
  for (std::uint32_t point = 0; point < 0x200000; point += point < 0x11000 ? 1 : 61) {
    ASSERT_EQ(is_utf8(as_utf8(point)), is_scalar(point)) << std::hex << point;
  }
  EXPECT_TRUE(is_utf8(as_utf8(0x10ffff)));
  EXPECT_FALSE(is_utf8(as_utf8(0x110000)));
}

TEST(Utf8, IsWhatComesBackWhenReadAndWritten) {
  const std::string bytes = {'\x00', 'A',    '\x7f', '\x80', '\x8f', '\x90', '\x9f', '\xa0',
                             '\xbf', '\xc0', '\xc1', '\xc2', '\xdf', '\xe0', '\xe1', '\xed',
                             '\xef', '\xf0', '\xf1', '\xf4', '\xf5', '\xf8', '\xff'};
  std::string text(4, '\0');
  std::size_t good = 0;
  for (std::size_t code = 0, count = bytes.size(); code < count * count * count * count; ++code) {
    auto rest = code;
    for (auto& byte : text) {
      byte = bytes[rest % count];
      rest /= count;
    }
    const bool expected = comes_back(text);
    good += expected;
    ASSERT_EQ(is_utf8(text), expected) << testing::PrintToString(text);
  }
  EXPECT_GT(good, 1000u);
}

TEST(Utf8, MayNotEndWithinACharacter) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8(text));
  for (const std::size_t length : {2, 4, 5, 7, 8, 9}) EXPECT_FALSE(is_utf8(text.substr(0, length))) << length;
  for (const std::size_t length : {1, 3, 6}) EXPECT_TRUE(is_utf8(text.substr(0, length))) << length;
  EXPECT_FALSE(is_utf8("caf\xe9")) << "Latin-1";
}

}  // namespace
}  // namespace msae::concepts
