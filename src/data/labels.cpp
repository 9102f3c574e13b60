#include "msae/data/labels.h"

#include <sstream>
#include <utility>

#include "core/file.h"
#include "data/hdf5_file.h"
#include "data/name.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

template <class Number>
std::vector<std::string> texts_of(const std::vector<Number>& numbers) {
  std::vector<std::string> texts;
  texts.reserve(numbers.size());
  for (const auto number : numbers) texts.push_back(std::to_string(number));
  return texts;
}

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
  return info.type == "uint64" ? texts_of(file.read<std::uint64_t>(name.path))
                               : texts_of(file.read<std::int64_t>(name.path));
}

std::vector<std::string> lines_of(const std::string& file) {
  auto content = files::read_text(file, available_memory() / 4);
  if (content.find('\0') != std::string::npos) {  // UTF-16, or no text at all: strings of HDF5 end there
    throw IoError(file + ": holds bytes of zero; labels are lines of text in UTF-8");
  }
  if (content.rfind("\xef\xbb\xbf", 0) == 0) content.erase(0, 3);  // the mark that some editors begin with
  std::istringstream text(std::move(content));
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
