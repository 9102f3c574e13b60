#include "msae/concepts/attribute.h"

#include <algorithm>
#include <charconv>

#include "concepts/letters.h"
#include "concepts/unsign.h"
#include "core/printable.h"
#include "data/hdf5_file.h"
#include "data/name.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/data/labels.h"

namespace msae::concepts {
namespace {

using data::hdf5::File;

/// Numbers [rows, columns], row-major.
struct AttributeTable {
  std::int64_t rows = 0, columns = 1;
  std::vector<std::int64_t> value;
};

AttributeTable table_in_hdf5(const data::Name& name) {
  const auto file = File::open(name.file);
  const auto set = file.data_set(name.path);
  const auto& info = set.info();
  const bool whole = info.type.rfind("int", 0) == 0 || info.type.rfind("uint", 0) == 0;
  if (!whole || info.shape.empty() || info.shape.size() > 2) {
    throw IoError(set.name() + ": holds " + info.type + " " + data::hdf5::text(info.shape) +
                  "; attributes are integers [rows] or [rows, attributes]");
  }
  const auto columns = info.shape.size() == 2 ? info.shape[1] : 1;
  require_memory(saturating_product(saturating_product(info.shape[0], columns), sizeof(std::int64_t)),
                 "the attributes " + set.name());
  return {static_cast<std::int64_t>(info.shape[0]), static_cast<std::int64_t>(columns),
          file.read<std::int64_t>(name.path)};
}

AttributeTable table_of_lines(const std::string& file) {
  AttributeTable table;
  for (const auto& line : data::read_labels(file)) {
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc() || end != line.data() + line.size()) {
      throw IoError(file + ": line " + std::to_string(table.rows + 1) + " is no number, but '" +
                    printable(line.substr(0, 40)) + "'; attributes are 0 or 1, one a line");
    }
    table.value.push_back(value);
    ++table.rows;
  }
  return table;
}

std::vector<std::string> column_names(const data::Name& name, const std::string& names) {
  if (!names.empty()) return data::read_labels(names);
  if (name.path.empty()) return {};
  const auto slash = name.path.rfind('/');
  const auto beside = name.path.substr(0, slash == std::string::npos ? 0 : slash) + "/attribute_names";
  const auto file = File::open(name.file);
  const auto sets = file.data_sets();
  const bool there =
      std::any_of(sets.begin(), sets.end(), [&](const auto& set) { return set.path == beside; });
  return there ? file.read_strings(beside) : std::vector<std::string>{};
}

std::string near_names(const std::string& wanted, std::vector<std::string> names) {
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return letters_apart(lower_case(a), lower_case(wanted)) <
           letters_apart(lower_case(b), lower_case(wanted));
  });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(5, names.size()); ++i) {
    text += (i > 0 ? ", " : "") + printable(names[i]);
  }
  return text;
}

std::int64_t column_of(const AttributeTable& table, const std::string& data, const std::string& name,
                       const std::vector<std::string>& names) {
  if (name.empty()) {
    if (table.columns == 1) return 0;
    throw IoError(data + ": holds " + std::to_string(table.columns) + " attributes; name one of them" +
                  (names.empty() ? "" : ", such as " + near_names("", names)));
  }
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return found - names.begin();
  const auto alike = std::find_if(names.begin(), names.end(), [&](const std::string& own) {
    return lower_case(own) == lower_case(name);
  });
  if (alike != names.end()) return alike - names.begin();
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size() && number >= 0 && number < table.columns) {
    return number;
  }
  throw IoError(data + ": has no attribute '" + printable(name) + "'" +
                (names.empty() ? "; a number from 0 to " + std::to_string(table.columns - 1) + " names one"
                               : "; there are " + near_names(name, names)));
}

}  // namespace

Attribute read_attribute(const std::string& data, const std::string& name, const std::string& names) {
  const auto place = data::split_name(data);
  const auto table = place.path.empty() ? table_of_lines(place.file) : table_in_hdf5(place);
  auto all_names = column_names(place, names);
  if (names.empty() && static_cast<std::int64_t>(all_names.size()) != table.columns)
    all_names.clear();  // of others
  if (!all_names.empty() && static_cast<std::int64_t>(all_names.size()) != table.columns) {
    throw IoError((names.empty() ? data : names) + ": there are " + std::to_string(all_names.size()) +
                  " names for " + std::to_string(table.columns) + " attributes");
  }
  const auto column = column_of(table, data, name, all_names);
  Attribute attribute{.name = all_names.empty() ? name : all_names[unsign(column)], .value = {}};
  for (std::int64_t row = 0; row < table.rows; ++row) {
    const auto value = table.value[unsign(row * table.columns + column)];
    if (value != 0 && value != 1) {
      throw IoError(
          data + ": " + (attribute.name.empty() ? "the attribute" : "'" + printable(attribute.name) + "'") +
          " of row " + std::to_string(row) + " is " + std::to_string(value) + "; attributes are 0 or 1");
    }
    attribute.value.push_back(static_cast<std::uint8_t>(value));
  }
  return attribute;
}

}  // namespace msae::concepts
