#include "data/hdf5_source.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "data/hdf5_file.h"
#include "data/objection.h"
#include "data/raw_file.h"
#include "data/raw_rows.h"
#include "msae/core/error.h"

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
  std::int64_t rows_together() const override { return static_cast<std::int64_t>(data_.rows_of_chunk()); }

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    raw_.read(first, count, static_cast<std::size_t>(dim()), type_.element, type_.swapped, out,
              [this](std::size_t start, std::size_t rows, std::span<std::byte> bytes) {
                data_.read_raw(start, rows, bytes.data());
              });
  }

  File file_;
  DataSet data_;
  hdf5::FloatType type_;
  RawRows raw_;
};

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

std::vector<Listing> list_hdf5(const std::filesystem::path& file) {
  std::vector<Listing> listings;
  for (const auto& found : File::open(file).data_sets()) {
    const bool usable =
        found.floating.has_value() && found.shape.size() == 2 && found.shape[0] > 0 && found.shape[1] > 0;
    listings.push_back({found.path, found.shape, found.type, usable});
  }
  return listings;
}

std::unique_ptr<EmbeddingSource> open_hdf5(const std::filesystem::path& file_path, const std::string& path) {
  auto file = File::open(file_path);
  auto data = file.data_set(path.empty() ? only_candidate(file) : path);
  const auto& info = data.info();
  const auto no = objection(info.shape, info.type, info.floating.has_value());
  if (!no.empty()) throw IoError(data.name() + no);
  if (const auto part = data.missing_part(); !part.empty()) {
    throw IoError(data.name() + " is made of data sets in other files, of which " + part +
                  " cannot be opened");
  }
  if (data.is_hollow()) {
    throw IoError(data.name() + " declares the shape " + hdf5::text(data.info().shape) +
                  ", but next to none of its rows were ever written; write them, or shrink the data set");
  }
  if (const auto place =
          data.place()) {  // read without HDF5, which would be slower, and one thread's at a time
    return raw_file(
        files::File(place->file), data.name(),
        {place->begin, static_cast<std::int64_t>(info.shape[0]), static_cast<std::int64_t>(info.shape[1]),
         info.floating->element, info.floating->swapped});
  }
  return std::make_unique<Hdf5Source>(std::move(file), std::move(data));
}

}  // namespace msae::data
