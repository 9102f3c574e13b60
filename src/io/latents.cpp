#include "msae/io/latents.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <stdexcept>

#include "core/atomic_file.h"
#include "data/hdf5_file.h"
#include "io/model_rows.h"
#include "io/row_entries.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/core/version.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using data::hdf5::DataSet;
using data::hdf5::File;

template <class T>
std::span<const T> span_of(const torch::Tensor& list) {
  return {list.const_data_ptr<T>(), static_cast<std::size_t>(list.numel())};
}

std::uint64_t size_of(const std::vector<std::string>& labels) {
  if (labels.empty()) return 0;
  std::uint64_t bytes = 0;
  for (const auto& label : labels) bytes += label.size() + 48;
  return 2 * bytes;  // HDF5 keeps strings in blocks that they may fill by half
}

/// The file under way. HDF5 1.10 cannot close a file that it could not write to the end, and crashes at exit:
/// room is set aside before anything is handed to it.
class Writer {
 public:
  Writer(const fs::path& target, const data::EmbeddingSource& data, const models::SparseAutoencoder& model,
         const LatentsOptions& options)
      : target_(target) {
    const auto most = saturating_product(unsign(data.rows()), unsign(model.latents()));
    fixed_bytes_ = other_bytes(data, most, options);
    target_.reserve(fixed_bytes_);
    file_.emplace(File::create(target_.temporary(), target.string()));
    target_.reserve(fixed_bytes_);  // what was set aside before went as the file was emptied
    starts_.emplace(file_->create_rows<std::int64_t>("/indptr", {unsign(data.rows()) + 1}));
    starts_->write_rows<std::int64_t>(0, 1, std::array{std::int64_t{0}});
    indices_.emplace(file_->create_list<std::int32_t>("/indices", most));
    values_.emplace(file_->create_list<float>("/values", most));
    file_->write<std::int64_t>("/shape", std::array{data.rows(), model.latents()}, {2});
    file_->write_attribute("run", options.run);
    file_->write_attribute("data", data.origin());
    if (!data.treatment().empty()) file_->write_attribute("view", data.treatment());
    file_->write_attribute("point", options.point.label());
    file_->write_attribute("codes", options.coding.name());
    file_->write_attribute("msae_version", version());
    if (data.rows() != data.original_rows()) write_rows(data);
    if (!options.labels.empty()) write_labels(data, options.labels);
  }

  std::int64_t entries() const { return entries_; }

  /// The rows from `first` on: those that follow the ones before.
  void append(std::int64_t first, const RowEntries& block) {
    const auto starts = block.counts.cumsum(0).add_(entries_);
    entries_ += block.values.numel();
    target_.reserve(fixed_bytes_ + unsign(entries_) * 8 + unsign(entries_) / 10);
    starts_->write_rows(unsign(first) + 1, unsign(starts.numel()), span_of<std::int64_t>(starts));
    indices_->append(span_of<std::int32_t>(block.indices));
    values_->append(span_of<float>(block.values));
  }

  void commit() {
    file_->flush();
    for (auto* list : {&starts_, &indices_, &values_}) list->reset();
    file_.reset();
    target_.commit();
  }

 private:
  /// Beside the entries, rather too much: HDF5's own records, the last chunk of each list, rows and labels.
  static std::uint64_t other_bytes(const data::EmbeddingSource& data, std::uint64_t most,
                                   const LatentsOptions& options) {
    const auto chunks = 2 * std::min(data::hdf5::list_chunk_bytes, saturating_product(most, sizeof(float)));
    return (1 << 17) + chunks + 16 * unsign(data.rows()) + size_of(options.labels);
  }

  static std::uint64_t unsign(std::int64_t count) { return static_cast<std::uint64_t>(count); }

  void write_rows(const data::EmbeddingSource& data) {
    auto numbers = file_->create_rows<std::int64_t>("/rows", {unsign(data.rows())});
    std::vector<std::int64_t> block;
    constexpr std::int64_t step = 1 << 17;
    for (std::int64_t first = 0; first < data.rows(); first += step) {
      block.clear();
      const auto end = std::min(first + step, data.rows());
      for (auto row = first; row < end; ++row) block.push_back(data.original_row(row));
      numbers.write_rows<std::int64_t>(unsign(first), block.size(), block);
    }
  }

  void write_labels(const data::EmbeddingSource& data, const std::vector<std::string>& all) {
    std::vector<std::string> labels;
    labels.reserve(unsign(data.rows()));
    for (std::int64_t row = 0; row < data.rows(); ++row)
      labels.push_back(all[unsign(data.original_row(row))]);
    file_->write_strings("/labels", labels);
  }

  files::AtomicFile target_;
  std::uint64_t fixed_bytes_ = 0;
  std::optional<File> file_;
  std::optional<DataSet> starts_, indices_, values_;
  std::int64_t entries_ = 0;
};

[[noreturn]] void refuse(const char* field, const std::string& sentence) {
  throw std::invalid_argument(std::string(field) + ": " + sentence);
}

void check(const models::SparseAutoencoder& model, const data::EmbeddingSource& data,
           const LatentsOptions& options) {
  options.validate();
  require_point(model, options.point);
  require_same_dim(model, data);
  const auto labels = static_cast<std::int64_t>(options.labels.size());
  if (labels > 0 && labels != data.original_rows()) {
    refuse("labels", std::to_string(labels) + " labels for the " + std::to_string(data.original_rows()) +
                         " rows of " + data.name());
  }
}

}  // namespace

void LatentsOptions::validate() const {
  if (batch_size < 1) refuse("batch_size", "must be at least 1, not " + std::to_string(batch_size));
}

LatentsSummary write_latents(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                             const fs::path& file, const LatentsOptions& options,
                             const std::function<void(double)>& progress) {
  check(model, data, options);
  const auto batch = models::rows_at_a_time(options.coding, options.batch_size);
  require_memory_to_encode(model, std::min(batch, data.rows()));
  const torch::NoGradGuard no_grad;
  const RowEncoder encoder(model, options.point, options.coding, data.rows(), data.name());
  Writer writer(file, data, model, options);
  for_each_batch(model, data, batch, progress, [&](std::int64_t first, const torch::Tensor& rows) {
    writer.append(first, encoder.encode(rows));
  });
  writer.commit();
  return {data.rows(), model.latents(), writer.entries()};
}

}  // namespace msae::io
