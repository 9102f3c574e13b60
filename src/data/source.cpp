#include "msae/data/source.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "data/hdf5_source.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

/// NaN and Inf are the values whose exponent bits are all set. No early exit: so the loop vectorises.
bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t exponent = 0x7f800000u;
  std::uint32_t found = 0;
  for (const float value : values) {
    found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & exponent) == exponent);
  }
  return found == 0;
}

class MemorySource final : public EmbeddingSource {
 public:
  MemorySource(std::vector<float> values, std::int64_t dim, std::string name)
      : values_(std::move(values)), dim_(dim), name_(std::move(name)) {}

  std::int64_t rows() const override { return static_cast<std::int64_t>(values_.size()) / dim_; }
  std::int64_t dim() const override { return dim_; }
  std::string name() const override { return name_; }

 private:
  void read_rows(std::int64_t first, std::int64_t, std::span<float> out) override {
    std::copy_n(values_.begin() + first * dim_, out.size(), out.begin());
  }

  std::vector<float> values_;
  std::int64_t dim_;
  std::string name_;
};

/// "file.h5:/path" into its two parts; the second is empty where none is named. A file whose own name looks
/// like that wins, and "file.h5:path" will do where file.h5 is there.
std::pair<std::string, std::string> split(const std::string& data) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(data, error)) return {data, ""};
  if (const auto slash = data.rfind(":/"); slash != std::string::npos) {
    return {data.substr(0, slash), data.substr(slash + 1)};
  }
  const auto colon = data.rfind(':');
  if (colon == std::string::npos || !fs::exists(data.substr(0, colon), error)) return {data, ""};
  return {data.substr(0, colon), "/" + data.substr(colon + 1)};
}

}  // namespace

void EmbeddingSource::read(std::int64_t first, std::int64_t count, std::span<float> out) {
  if (first < 0 || count < 0 || count > rows() || first > rows() - count) {
    throw std::invalid_argument(name() + ": " + std::to_string(count) + " rows from row " +
                                std::to_string(first) + " on do not lie within its " +
                                std::to_string(rows()) + " rows");
  }
  const auto width = static_cast<std::size_t>(dim());
  if (out.size() != saturating_product(static_cast<std::uint64_t>(count), width)) {
    throw std::invalid_argument(name() + ": room for " + std::to_string(out.size()) +
                                " values given to read " + std::to_string(count) + " rows of " +
                                std::to_string(width));
  }
  if (count == 0) return;
  read_rows(first, count, out);
  if (all_finite(out)) return;
  auto row = first;
  for (auto rest = out; all_finite(rest.first(width)); rest = rest.subspan(width)) ++row;
  throw IoError(name() + ": row " + std::to_string(row) +
                " holds NaN or Inf in float32; take such rows out first");
}

std::unique_ptr<EmbeddingSource> open(const std::string& data) {
  if (data.empty()) throw IoError("no file named; embeddings are named as in file.h5:/path");
  const auto [file, path] = split(data);
  return open_hdf5(file, path);
}

std::unique_ptr<EmbeddingSource> in_memory(std::vector<float> values, std::int64_t dim, std::string name) {
  if (dim < 1 || values.empty() || values.size() % static_cast<std::size_t>(dim) != 0) {
    throw std::invalid_argument(name + ": " + std::to_string(values.size()) + " values are no rows of dim " +
                                std::to_string(dim));
  }
  return std::make_unique<MemorySource>(std::move(values), dim, std::move(name));
}

}  // namespace msae::data
