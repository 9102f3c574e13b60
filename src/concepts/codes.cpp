#include "msae/concepts/codes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "concepts/unsign.h"
#include "core/printable.h"
#include "data/hdf5_file.h"
#include "io/model_rows.h"
#include "io/row_entries.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::concepts {
namespace {

using models::OperatingPoint;

template <typename T>
std::span<const T> part(const std::vector<std::int64_t>& begin, const std::vector<T>& all,
                        std::int64_t which) {
  const auto first = unsign(begin[unsign(which)]), last = unsign(begin[unsign(which) + 1]);
  return std::span(all).subspan(first, last - first);
}

// Rows are counted by int32 in columns.
void require_rows(std::int64_t rows, const std::string& name) {
  if (rows <= std::numeric_limits<std::int32_t>::max()) return;
  throw Error(name + ": " + std::to_string(rows) + " rows are more than can be looked at together");
}

template <typename T>
void append(std::vector<T>& to, const torch::Tensor& values) {
  const auto* from = values.const_data_ptr<T>();
  to.insert(to.end(), from, from + values.numel());
}

std::uint64_t bytes_of_entries(std::uint64_t entries) {
  return saturating_product(entries, sizeof(std::int32_t) + sizeof(float));
}

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw IoError(file.string() + ": " + what + "; is it a file of 'msae encode'?");
}

// What a row's latents have to be like.
void check_matrix(const Codes& codes, const std::filesystem::path& file) {
  if (codes.begin.front() != 0 || codes.begin.back() != static_cast<std::int64_t>(codes.latent.size())) {
    refuse(file, "/indptr does not fit /indices");
  }
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto first = codes.begin[unsign(row)], last = codes.begin[unsign(row) + 1];
    if (last < first || last > codes.begin.back()) refuse(file, "/indptr does not ascend");
    std::int64_t before = -1;
    for (const auto latent : codes.latents_of(row)) {
      if (latent <= before || latent >= codes.latents) {
        refuse(file, "/indices of row " + std::to_string(row) + " do not ascend within the latents");
      }
      before = latent;
    }
  }
  if (!std::all_of(codes.value.begin(), codes.value.end(),
                   [](float value) { return std::isfinite(value); })) {
    refuse(file, "/values hold NaN or Inf");
  }
  if (std::find(codes.value.begin(), codes.value.end(), 0.0f) != codes.value.end()) {
    refuse(file, "/values hold zeros");
  }
}

}  // namespace

std::span<const std::int32_t> Codes::latents_of(std::int64_t row) const {
  return part(begin, latent, row);
}
std::span<const float> Codes::values_of(std::int64_t row) const {
  return part(begin, value, row);
}
std::span<const std::int32_t> CodeColumns::rows_of(std::int64_t latent) const {
  return part(begin, row, latent);
}
std::span<const float> CodeColumns::values_of(std::int64_t latent) const {
  return part(begin, value, latent);
}

OperatingPoint usual_point(const models::SparseAutoencoder& model) {
  constexpr std::int64_t usual = 64;
  const bool wide = std::holds_alternative<models::Relu>(model.activation());
  if (model.level_count() == 1 && !wide) return OperatingPoint::trained();
  return OperatingPoint::top(std::min(usual, model.latents()));
}

Codes encode(models::SparseAutoencoder& model, data::EmbeddingSource& data, OperatingPoint point,
             models::Coding coding, const std::function<void(double)>& progress) {
  const auto batch = models::rows_at_a_time(coding, 4096);
  io::require_same_dim(model, data);
  io::require_point(model, point);
  require_rows(data.rows(), data.name());
  io::require_memory_to_encode(model, std::min(batch, data.rows()));
  const auto rows = static_cast<std::uint64_t>(data.rows());
  if (const auto k = model.top_k(point); k && *k < model.latents()) {
    require_memory(bytes_of_entries(saturating_product(rows, static_cast<std::uint64_t>(*k))),
                   "the latents of " + data.name());
  }
  const torch::NoGradGuard no_grad;
  const io::RowEncoder encoder(model, point, coding, data.rows(), data.name());
  Codes codes{.rows = data.rows(), .latents = model.latents(), .begin = {0}, .latent = {}, .value = {}};
  codes.begin.reserve(rows + 1);
  io::for_each_batch(model, data, batch, progress, [&](std::int64_t first, const torch::Tensor& values) {
    const auto entries = encoder.encode(values);
    const auto* counts = entries.counts.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < entries.counts.numel(); ++i) {
      codes.begin.push_back(codes.begin.back() + counts[i]);
    }
    if (first == 0) {  // what the first rows have, all others are taken to have
      const auto share = static_cast<double>(entries.values.numel()) / static_cast<double>(values.size(0));
      const auto expected = static_cast<std::uint64_t>(share * static_cast<double>(rows));
      require_memory(bytes_of_entries(expected), "the latents of " + data.name());
      codes.latent.reserve(expected);
      codes.value.reserve(expected);
    }
    const auto size = codes.latent.size() + static_cast<std::size_t>(entries.values.numel());
    if (size > codes.latent.capacity()) {  // the first rows had fewer; not to twice the size
      const auto room = size + size / 16;
      require_memory(bytes_of_entries(room), "the latents of " + data.name());
      codes.latent.reserve(room);
      codes.value.reserve(room);
    }
    append(codes.latent, entries.indices);
    append(codes.value, entries.values);
  });
  return codes;
}

std::string point_of_codes(const std::filesystem::path& path) {
  return data::hdf5::File::open(path).attribute("point");
}

models::Coding coding_of_codes(const std::filesystem::path& path) {
  const auto name = data::hdf5::File::open(path).attribute("codes");
  if (name.empty()) return {};
  try {
    return models::coding_named(name);
  } catch (const std::invalid_argument&) {
    throw IoError(path.string() + ": holds codes of a kind that this version does not know, '" +
                  printable(name) + "'");
  }
}

Codes read_codes(const std::filesystem::path& path) {
  const auto file = data::hdf5::File::open(path);
  const auto shape = file.read<std::int64_t>("/shape", data::hdf5::Shape{2});
  if (shape[0] < 0 || shape[1] < 1 || shape[1] > std::numeric_limits<std::int32_t>::max()) {
    refuse(path, "/shape is not one of latents");
  }
  require_rows(shape[0], path.string());
  const auto entries = file.data_set("/indices").info().shape;
  if (entries.size() != 1) refuse(path, "/indices is no list");
  const auto begins = static_cast<std::uint64_t>(shape[0]) + 1;
  require_memory(bytes_of_entries(entries[0]) + begins * sizeof(std::int64_t),
                 "the latents of " + path.string());
  Codes codes{.rows = shape[0],
              .latents = shape[1],
              .begin = file.read<std::int64_t>("/indptr", data::hdf5::Shape{begins}),
              .latent = file.read<std::int32_t>("/indices", entries),
              .value = file.read<float>("/values", entries)};
  check_matrix(codes, path);
  return codes;
}

CodeColumns columns_of(const Codes& codes) {
  require_memory(bytes_of_entries(codes.latent.size()), "the latents by column");
  CodeColumns columns{.rows = codes.rows, .latents = codes.latents, .begin = {}, .row = {}, .value = {}};
  columns.begin.assign(unsign(codes.latents) + 1, 0);
  for (const auto latent : codes.latent) ++columns.begin[unsign(latent) + 1];
  for (std::size_t i = 1; i < columns.begin.size(); ++i) columns.begin[i] += columns.begin[i - 1];
  auto next = columns.begin;
  columns.row.resize(codes.latent.size());
  columns.value.resize(codes.latent.size());
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto latents = codes.latents_of(row);
    const auto values = codes.values_of(row);
    for (std::size_t i = 0; i < latents.size(); ++i) {
      const auto at = unsign(next[unsign(latents[i])]++);
      columns.row[at] = static_cast<std::int32_t>(row);
      columns.value[at] = values[i];
    }
  }
  return columns;
}

}  // namespace msae::concepts
