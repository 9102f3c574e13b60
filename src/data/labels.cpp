#include "msae/data/labels.h"

#include <sstream>

#include "core/file.h"
#include "data/hdf5_file.h"
#include "data/name.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

std::vector<std::string> labels_in_data_set(const Name& name) {
  const auto file = hdf5::File::open(name.file);
  const auto data = file.data_set(name.path);
  const auto& info = data.info();
  if (info.shape.size() != 1) {
    throw IoError(data.name() + " has the shape " + hdf5::text(info.shape) +
                  "; labels are a list, one a row");
  }
  if (info.type == "string") return file.read_strings(name.path);
  if (info.type.rfind("int", 0) != 0 && info.type.rfind("uint", 0) != 0) {
    throw IoError(data.name() + " holds " + info.type + "; labels are strings or integers");
  }
  std::vector<std::string> labels;
  for (const auto value : file.read<std::int64_t>(name.path)) labels.push_back(std::to_string(value));
  return labels;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::istringstream text(files::read_text(file, available_memory() / 4));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

std::vector<std::string> read_labels(const std::string& name) {
  const auto parts = split_name(name);
  if (!parts.path.empty()) return labels_in_data_set(parts);
  if (hdf5::is_hdf5(parts.file)) {
    throw IoError(parts.file + " is an HDF5 file; name the data set of labels in it, as in " + parts.file +
                  ":/labels");
  }
  return lines_of(parts.file);
}

}  // namespace msae::data
