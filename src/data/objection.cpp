#include "data/objection.h"

#include <limits>

#include "msae/core/memory.h"

namespace msae::data {

std::string text(const std::vector<std::uint64_t>& shape) {
  if (shape.empty()) return "scalar";
  std::string sizes;
  for (const auto size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  return "[" + sizes + "]";
}

std::string objection(const std::vector<std::uint64_t>& shape, const std::string& type, bool is_floating) {
  constexpr std::uint64_t most_columns = 10'000'000;
  const auto sizes = text(shape);
  if (shape.size() != 2) {
    return " is not two-dimensional but " + sizes + "; embeddings are [rows, dim], one row each";
  }
  if (!is_floating) return " holds " + type + ", not float16, bfloat16, float32 or float64";
  if (shape[0] == 0) return " has no rows, its shape is " + sizes;
  if (shape[1] == 0) return " has no columns, its shape is " + sizes;
  if (shape[1] > most_columns) return " has too many columns, its shape is " + sizes;
  const auto bytes = saturating_product(saturating_product(shape[0], shape[1]), sizeof(double));
  if (bytes > std::numeric_limits<std::int64_t>::max()) return " has too many rows, its shape is " + sizes;
  return "";
}

}  // namespace msae::data
