#include <cstddef>
#include <span>
#include <string>

#include "core/atomic_file.h"
#include "data/blocks.h"
#include "data/hdf5_file.h"
#include "msae/core/error.h"
#include "msae/data/synthetic.h"

namespace msae::data {
namespace {

using hdf5::File;
namespace fs = std::filesystem;

/// Bytes that the file will take, rather too many.
std::uint64_t size_on_disk(const SyntheticHierarchy& data) {
  const auto rows = static_cast<double>(data.rows());
  const auto dim = static_cast<double>(data.dim());
  const auto concepts = static_cast<double>(data.truth().concepts());
  const double codes = rows * (8 + 8 * 1.2 * data.options().active);
  return static_cast<std::uint64_t>(4 * dim * (rows + concepts) + codes + 16 * concepts) + (1 << 20);
}

void write_rows(SyntheticHierarchy& data, File& file, const std::function<void(double)>& progress) {
  auto rows = file.create_rows<float>(
      "/embeddings", {static_cast<std::uint64_t>(data.rows()), static_cast<std::uint64_t>(data.dim())});
  for_each_block(data.rows(), data.dim(), progress,
                 [&](std::int64_t first, std::int64_t count, std::span<float> values) {
                   data.read(first, count, values);
                   rows.write_rows<float>(static_cast<std::uint64_t>(first),
                                          static_cast<std::uint64_t>(count), values);
                 });
}

template <class T>
void write_list(File& file, const std::string& path, const std::vector<T>& values) {
  file.write(path, std::span<const T>(values), {values.size()});
}

void write_codes(const SyntheticHierarchy& data, File& file, const std::function<void(double)>& progress) {
  std::vector<std::int64_t> starts{0};
  std::vector<std::int32_t> concepts;
  std::vector<float> amplitudes;
  for (std::int64_t row = 0; row < data.rows(); ++row) {
    const auto code = data.code(row);
    concepts.insert(concepts.end(), code.concepts.begin(), code.concepts.end());
    amplitudes.insert(amplitudes.end(), code.amplitudes.begin(), code.amplitudes.end());
    starts.push_back(static_cast<std::int64_t>(concepts.size()));
    const bool is_time = row % 4096 == 0;
    if (progress && is_time)
      progress(0.5 + 0.5 * static_cast<double>(row) / static_cast<double>(data.rows()));
  }
  write_list(file, "/truth/codes/indptr", starts);
  write_list(file, "/truth/codes/indices", concepts);
  write_list(file, "/truth/codes/values", amplitudes);
}

void write_truth(const SyntheticTruth& truth, File& file) {
  file.write("/truth/dictionary", std::span<const float>(truth.dictionary),
             {truth.parent.size(), static_cast<std::uint64_t>(truth.dim)});
  write_list(file, "/truth/parent", truth.parent);
  write_list(file, "/truth/depth", truth.depth);
  write_list(file, "/truth/frequency", truth.frequency);
}

/// A parent before its children, and one level above them: what readers walk down by.
void check_forest(const SyntheticTruth& truth, const std::string& file) {
  for (std::size_t node = 0; node < truth.parent.size(); ++node) {
    const auto parent = truth.parent[node];
    const bool placed = parent >= -1 && parent < static_cast<std::int32_t>(node);
    if (placed && truth.depth[node] == (parent < 0 ? 0 : truth.depth[static_cast<std::size_t>(parent)]) + 1)
      continue;
    throw IoError(file + ":/truth/parent and depth are no forest at concept " + std::to_string(node));
  }
}

}  // namespace

void write_synthetic(SyntheticHierarchy& data, const fs::path& file,
                     const std::function<void(double)>& progress) {
  files::AtomicFile target(file);
  // HDF5 1.10 cannot close a file that it could not write to the end, and crashes at exit. It empties the
  // file as it opens it, and with it what was set aside.
  target.reserve(size_on_disk(data));
  {
    auto out = File::create(target.temporary(), file.string());
    target.reserve(size_on_disk(data));
    write_rows(data, out, [&](double share) {
      if (progress) progress(0.5 * share);
    });
    write_truth(data.truth(), out);
    write_codes(data, out, progress);
    out.flush();
  }
  target.commit();
}

SyntheticTruth read_truth(const fs::path& path) {
  const auto file = File::open(path);
  const auto shape = file.data_set("/truth/dictionary").info().shape;
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) {
    throw IoError(file.name() + ":/truth/dictionary has the shape " + hdf5::text(shape) +
                  ", expected [concepts, dim]");
  }
  const hdf5::Shape list{shape[0]};
  SyntheticTruth truth{.dim = static_cast<std::int64_t>(shape[1]),
                       .dictionary = file.read<float>("/truth/dictionary"),
                       .parent = file.read<std::int32_t>("/truth/parent", list),
                       .depth = file.read<std::int32_t>("/truth/depth", list),
                       .frequency = file.read<double>("/truth/frequency", list)};
  check_forest(truth, file.name());
  return truth;
}

}  // namespace msae::data
