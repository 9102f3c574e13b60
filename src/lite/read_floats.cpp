#include "lite/read_floats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "data/half.h"
#include "msae/core/error.h"

namespace msae::lite {
namespace {

// Some megabytes of a file at a time.
constexpr std::size_t block = 1 << 20;

template <typename Bits, typename Value>
void convert(const std::byte* raw, std::span<float> out, const Value& value) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Bits bits;
    std::memcpy(&bits, raw + i * sizeof(Bits), sizeof(Bits));
    out[i] = static_cast<float>(value(bits));
  }
}

float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void to_floats(const std::byte* raw, const std::string& dtype, std::span<float> out) {
  if (dtype == "F16") return convert<std::uint16_t>(raw, out, data::half_to_float);
  if (dtype == "BF16") return convert<std::uint16_t>(raw, out, bfloat16_to_float);
  if (dtype == "F64") return convert<double>(raw, out, [](double value) { return value; });
  convert<float>(raw, out, [](float value) { return value; });
}

bool is_float(const std::string& dtype) {
  return dtype == "F32" || dtype == "F64" || dtype == "F16" || dtype == "BF16";
}

}  // namespace

StoredFloats::StoredFloats(const io::SafetensorsFile& file, const std::string& name, const io::Shape& shape)
    : file_(file), entry_(file.entry(name, shape)), where_(file.path().string() + ": tensor " + name) {
  if (!is_float(entry_.dtype)) {
    throw IoError(where_ + " is " + entry_.dtype + ", expected F32, F64, F16 or BF16");
  }
}

void StoredFloats::read(std::uint64_t first, std::span<float> out) const {
  const auto size = static_cast<std::size_t>(io::element_size(entry_.dtype));
  std::vector<std::byte> raw(std::min(block, out.size()) * size);
  for (; !out.empty(); out = out.subspan(raw.size() / size), first += raw.size() / size) {
    raw.resize(std::min(block, out.size()) * size);
    file_.read(entry_, first * size, raw);
    const auto part = out.first(raw.size() / size);
    to_floats(raw.data(), entry_.dtype, part);
    if (!std::all_of(part.begin(), part.end(), [](float value) { return std::isfinite(value); })) {
      refuse("holds NaN, infinite or too large values");
    }
  }
}

std::vector<float> StoredFloats::all() const {
  std::vector<float> values(static_cast<std::size_t>(entry_.bytes / io::element_size(entry_.dtype)));
  read(0, values);
  return values;
}

void StoredFloats::refuse(const std::string& what) const {
  throw IoError(where_ + " " + what);
}

}  // namespace msae::lite
