#include "cli/option_entries.h"

#include <set>

#include "cli/nearest.h"

namespace msae::cli {
namespace {

using Kind = TomlEntry::Kind;

bool takes_several(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}

}  // namespace

CLI::Option* option_named(CLI::App& command, const std::string& name) {
  for (auto* option : command.get_options()) {
    if (plain_name(*option) == name) return option;
  }
  return nullptr;
}

bool is_list(const CLI::Option& option) {
  return option.get_type_name().find(",...") != std::string::npos;
}

void check_shape(const TomlEntry& entry, const CLI::Option& option) {
  const auto needs = [&](const std::string& what) {
    throw TomlError(entry.line, "'" + entry.name + "' " + what);
  };
  if (is_flag(option)) {
    if (entry.kind != Kind::boolean) needs("is either true or false");
    return;
  }
  if (entry.kind == Kind::boolean) needs("takes a value, not " + entry.values[0]);
  if (entry.kind == Kind::table) needs("takes a value, not a table");
  const bool of_booleans = entry.kind == Kind::array && entry.element == Kind::boolean;
  if (entry.kind == Kind::other || of_booleans) needs("takes a string, a number or a list of them");
  if (entry.kind != Kind::array) return;
  if (entry.values.empty()) needs("is an empty list");
  if (!is_list(option) && !takes_several(option)) needs("takes one value, not a list");
}

void check_together(const std::vector<Setting>& settings) {
  std::set<const CLI::Option*> before;
  for (const auto& [entry, option] : settings) {
    if (!before.insert(option).second) throw TomlError(entry.line, "'" + entry.name + "' is given twice");
    for (const auto* other : option->get_excludes()) {
      if (!before.count(other)) continue;
      throw TomlError(entry.line, "'" + entry.name + "' and '" + plain_name(*other) + "' exclude each other");
    }
  }
}

bool set_option(const Setting& setting) {
  const auto& entry = setting.entry;
  auto& option = *setting.option;
  if (entry.kind == Kind::boolean && entry.values[0] == "false") return false;
  auto values = entry.values;
  if (!takes_several(option)) values = {CLI::detail::join(values, ",")};
  try {
    option.add_result(values);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    throw TomlError(entry.line, error.what());
  }
  return true;
}

void refuse_unknown(const TomlEntry& entry, const CLI::App& command) {
  throw TomlError(entry.line, "unknown option '" + entry.name + "'" +
                                  did_you_mean(nearest_option(entry.name, command, true)));
}

void refuse_to_configure(const TomlEntry& entry) {
  throw TomlError(entry.line, "'" + entry.name + "' cannot be set in a file; give it on the command line");
}

}  // namespace msae::cli
