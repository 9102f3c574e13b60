#include "io/stored_tensor.h"

#include "io/model_folder_parts.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"

namespace msae::io {

using torch::Tensor;

StoredTensor::StoredTensor(const SafetensorsFile& file, const std::string& name, const Shape& shape)
    : file_(file),
      entry_(file.entry(name, shape)),
      where_(file.path().string() + ": tensor " + name),
      type_(float_type(entry_.dtype, where_)) {}

Tensor StoredTensor::rows(std::int64_t first, std::int64_t count) const {
  auto shape = entry_.shape;
  shape[0] = count;
  const auto raw = torch::empty(shape, type_);
  const auto row_bytes = entry_.bytes / static_cast<std::uint64_t>(entry_.shape[0]);
  file_.read(entry_, row_bytes * static_cast<std::uint64_t>(first), bytes_of(raw));
  return raw.to(torch::kFloat64);
}

Tensor StoredTensor::all() const {
  if (!entry_.shape.empty()) return rows(0, entry_.shape[0]);
  const auto raw = torch::empty({}, type_);
  file_.read(entry_, 0, bytes_of(raw));
  return raw.to(torch::kFloat64);
}

// Checked after rounding, as a large double may not fit a float.
void StoredTensor::assign(const Tensor& target, const Tensor& values) const {
  target.copy_(values);
  if (!all_finite(target)) refuse("holds NaN, infinite or too large values");
}

void StoredTensor::copy_to(const Tensor& target) const {
  if (entry_.shape.size() != 2) return assign(target, all());
  each_block(size(0), size(1),
             [&](auto first, auto count) { assign(target.narrow(0, first, count), rows(first, count)); });
}

void StoredTensor::refuse(const std::string& what) const {
  throw IoError(where_ + " " + what);
}

}  // namespace msae::io
