#include "msae/data/source.h"

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "data/finite.h"
#include "data/format.h"
#include "data/name.h"
#include "data/shards.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

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

}  // namespace

void EmbeddingSource::read_unchecked(std::int64_t first, std::int64_t count, std::span<float> out) {
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
  if (count > 0) read_rows(first, count, out);
}

void EmbeddingSource::read(std::int64_t first, std::int64_t count, std::span<float> out) {
  read_unchecked(first, count, out);
  if (all_finite(out)) return;
  const auto width = static_cast<std::size_t>(dim());
  auto row = first;
  for (auto rest = out; all_finite(rest.first(width)); rest = rest.subspan(width)) ++row;
  throw IoError(name() + ": " + row_name(row) +
                " holds NaN or Inf in float32; take such rows out first, or skip them (--skip-bad-rows, "
                "data::skip_bad_rows)");
}

std::string EmbeddingSource::row_name(std::int64_t row) const {
  return "row " + std::to_string(original_row(row));
}

void EmbeddingSource::expect(std::int64_t, std::int64_t) {}

std::unique_ptr<EmbeddingSource> open(const std::string& data) {
  if (data.empty()) throw IoError("no file named; embeddings are named as in file.h5:/path or file.npy");
  const auto name = split_name(data);
  if (name.file.empty())
    throw IoError(data + ": names no file; embeddings are named as in file.h5:/path or file.npy");
  return names_several(name.file) ? open_shards(name, data) : open_file(name);
}

std::unique_ptr<EmbeddingSource> in_memory(std::vector<float> values, std::int64_t dim, std::string name) {
  if (dim < 1 || values.empty() || values.size() % static_cast<std::size_t>(dim) != 0) {
    throw std::invalid_argument(name + ": " + std::to_string(values.size()) + " values are no rows of dim " +
                                std::to_string(dim));
  }
  return std::make_unique<MemorySource>(std::move(values), dim, std::move(name));
}

}  // namespace msae::data
