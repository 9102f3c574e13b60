#include "data/hdf5_source.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "data/half.h"
#include "data/hdf5_file.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

using hdf5::DataSet;
using hdf5::DataSetInfo;
using hdf5::File;

class Hdf5Source final : public EmbeddingSource {
 public:
  Hdf5Source(File file, DataSet data)
      : file_(std::move(file)), data_(std::move(data)), type_(data_.info().floating.value()) {}

  std::int64_t rows() const override { return static_cast<std::int64_t>(data_.info().shape[0]); }
  std::int64_t dim() const override { return static_cast<std::int64_t>(data_.info().shape[1]); }
  std::string name() const override { return data_.name(); }

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    const auto width = static_cast<std::size_t>(dim());
    const auto start = static_cast<std::size_t>(first);
    const auto all = static_cast<std::size_t>(count);
    // Through a buffer that stays in the processor's cache.
    constexpr std::size_t buffer_bytes = std::size_t{1} << 19;
    const auto step =
        std::clamp<std::size_t>(buffer_bytes / (width * type_.size()), 1, std::max<std::size_t>(all, 1));
    raw_.resize(std::max(raw_.size(), step * width * type_.size()));
    for (std::size_t done = 0; done < all; done += step) {
      const auto rows = std::min(step, all - done);
      data_.read_raw(start + done, rows, raw_.data());
      to_float(raw_.data(), type_.element, type_.swapped, out.subspan(done * width, rows * width));
    }
  }

  File file_;
  DataSet data_;
  hdf5::FloatType type_;
  std::vector<std::byte> raw_;
};

/// What keeps a data set from being embeddings, to follow its name; empty when nothing does.
std::string objection(const DataSetInfo& info) {
  constexpr std::uint64_t most_columns = 10'000'000;
  const auto shape = hdf5::text(info.shape);
  if (info.shape.size() != 2) {
    return " is not two-dimensional but " + shape + "; embeddings are [rows, dim], one row each";
  }
  if (!info.floating) return " holds " + info.type + ", not float16, float32 or float64";
  if (info.shape[0] == 0) return " has no rows, its shape is " + shape;
  if (info.shape[1] == 0) return " has no columns, its shape is " + shape;
  if (info.shape[1] > most_columns) return " has too many columns, its shape is " + shape;
  const auto bytes = saturating_product(saturating_product(info.shape[0], info.shape[1]), sizeof(double));
  if (bytes > std::numeric_limits<std::int64_t>::max()) return " has too many rows, its shape is " + shape;
  return "";
}

/// The data set that is meant where none is named.
std::string only_candidate(const File& file) {
  const auto there = file.data_sets();
  std::vector<DataSetInfo> candidates;
  std::vector<DataSetInfo> empty;  // spoken of only where there is nothing better
  for (const auto& info : there) {
    if (info.shape.size() != 2 || !info.floating) continue;
    (info.shape[0] > 0 && info.shape[1] > 0 ? candidates : empty).push_back(info);
  }
  if (candidates.empty()) candidates = std::move(empty);
  if (candidates.size() == 1) return candidates.front().path;
  if (candidates.empty()) {
    throw IoError(file.name() + " holds no two-dimensional floating-point data set; it holds " +
                  hdf5::text(there));
  }
  throw IoError(file.name() + " holds several data sets of embeddings: " + hdf5::text(candidates) +
                "; name one, as in " + file.name() + ":" + candidates.front().path);
}

}  // namespace

std::unique_ptr<EmbeddingSource> open_hdf5(const std::filesystem::path& file_path, const std::string& path) {
  auto file = File::open(file_path);
  auto data = file.data_set(path.empty() ? only_candidate(file) : path);
  const auto no = objection(data.info());
  if (!no.empty()) throw IoError(data.name() + no);
  if (data.is_hollow()) {
    throw IoError(data.name() + " declares the shape " + hdf5::text(data.info().shape) +
                  ", but next to none of its rows were ever written; write them, or shrink the data set");
  }
  return std::make_unique<Hdf5Source>(std::move(file), std::move(data));
}

}  // namespace msae::data
