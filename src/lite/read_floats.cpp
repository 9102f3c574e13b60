#include "lite/read_floats.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "msae/core/error.h"

namespace msae::lite {
namespace {

// Some megabytes of a file at a time.
constexpr std::size_t block = 1 << 20;

}  // namespace

StoredFloats::StoredFloats(const io::SafetensorsFile& file, const std::string& name, const io::Shape& shape)
    : file_(file), entry_(file.entry(name, shape)), where_(file.path().string() + ": tensor " + name) {
  const auto element = data::element_of(entry_.dtype);
  if (!element) throw IoError(where_ + " is " + entry_.dtype + ", expected F32, F64, F16 or BF16");
  element_ = *element;
}

void StoredFloats::read(std::uint64_t first, std::span<float> out) const {
  const auto size = data::size_of(element_);
  std::vector<std::byte> raw(std::min(block, out.size()) * size);
  for (; !out.empty(); out = out.subspan(raw.size() / size), first += raw.size() / size) {
    raw.resize(std::min(block, out.size()) * size);
    file_.read(entry_, first * size, raw);
    const auto part = out.first(raw.size() / size);
    data::to_float(raw.data(), element_, /*swapped=*/false, part);
    if (!std::all_of(part.begin(), part.end(), [](float value) { return std::isfinite(value); })) {
      refuse("holds NaN, infinite or too large values");
    }
  }
}

std::vector<float> StoredFloats::all() const {
  std::vector<float> values(static_cast<std::size_t>(entry_.bytes / data::size_of(element_)));
  read(0, values);
  return values;
}

void StoredFloats::refuse(const std::string& what) const {
  throw IoError(where_ + " " + what);
}

}  // namespace msae::lite
