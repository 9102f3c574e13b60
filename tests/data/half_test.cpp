#include "data/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace msae::data {
namespace {

/// By the definition of IEEE 754 binary16; NaN for every NaN.
float by_definition(unsigned bits) {
  const float sign = bits & 0x8000u ? -1.0f : 1.0f;
  const int exponent = static_cast<int>(bits >> 10 & 31u);
  const auto mantissa = static_cast<float>(bits & 1023u);
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

std::vector<std::uint16_t> every_half() {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  return bits;
}

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values, bool reversed) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  if (!reversed) return bytes;
  for (auto at = bytes.begin(); at != bytes.end(); at += sizeof(T)) std::reverse(at, at + sizeof(T));
  return bytes;
}

TEST(HalfToFloat, IsExactForEveryValue) {
  for (unsigned i = 0; i < 65536; ++i) {
    const float expected = by_definition(i);
    const float value = half_to_float(static_cast<std::uint16_t>(i));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << i;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(expected)) << i;
    }
  }
}

TEST(HalfToFloat, KeepsSignAndPayloadOfNaN) {
  EXPECT_EQ(std::bit_cast<std::uint32_t>(half_to_float(0xfe01)), 0xffc02000u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(half_to_float(0x7c01)), 0x7f802000u);
}

TEST(ToFloat, ConvertsEveryFloat16InBothByteOrders) {
  const auto halves = every_half();
  for (const bool swapped : {false, true}) {
    std::vector<float> out(halves.size());
    to_float(bytes_of(halves, swapped).data(), Element::float16, swapped, out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto expected = std::bit_cast<std::uint32_t>(half_to_float(halves[i]));
      ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), expected) << i << (swapped ? " swapped" : "");
    }
  }
}

TEST(ToFloat, CopiesFloat32InBothByteOrders) {
  const std::vector<float> values{0.0f, -0.0f, 1.5f, -3.25e-30f, 1e-42f, 3.4e38f, INFINITY};
  for (const bool swapped : {false, true}) {
    std::vector<float> out(values.size());
    to_float(bytes_of(values, swapped).data(), Element::float32, swapped, out);
    EXPECT_EQ(out, values);
  }
}

TEST(ToFloat, RoundsFloat64InBothByteOrders) {
  const std::vector<double> values{0.1, -2.0 / 3, 1e30, 1e-50, 1e300, -1e300};
  const std::vector<float> expected{0.1f, -2.0f / 3, 1e30f, 0.0f, INFINITY, -INFINITY};
  for (const bool swapped : {false, true}) {
    std::vector<float> out(values.size());
    to_float(bytes_of(values, swapped).data(), Element::float64, swapped, out);
    EXPECT_EQ(out, expected);
  }
}

TEST(ToFloat, NeedsNoAlignment) {
  const std::vector<double> values{1.25, -7.5, 1024};
  std::vector<std::byte> bytes = bytes_of(values, false);
  bytes.insert(bytes.begin(), std::byte{0});
  std::vector<float> out(values.size());
  to_float(bytes.data() + 1, Element::float64, false, out);
  EXPECT_EQ(out, (std::vector<float>{1.25f, -7.5f, 1024.0f}));
}

}  // namespace
}  // namespace msae::data
