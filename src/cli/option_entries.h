// Options that a TOML file gives, one by one: what fits them, and setting them. Failures are a TomlError.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/toml.h"

namespace msae::cli {

/// An entry and the option that it is for.
struct Setting {
  TomlEntry entry;
  CLI::Option* option;
};

/// The option that a file calls `name`; null where there is none.
CLI::Option* option_named(CLI::App& command, const std::string& name);

/// Whether its one value is a list, "64,128".
bool is_list(const CLI::Option& option);

/// Whether the option can take what the entry holds. \throws TomlError
void check_shape(const TomlEntry& entry, const CLI::Option& option);

/// That none is given twice or beside one that it excludes. \throws TomlError
void check_together(const std::vector<Setting>& settings);

/// Sets the option; false for a flag is as if it were not there. \throws TomlError
/// \return whether it was set
bool set_option(const Setting& setting);

[[noreturn]] void refuse_unknown(const TomlEntry& entry, const CLI::App& command);
[[noreturn]] void refuse_to_configure(const TomlEntry& entry);

}  // namespace msae::cli
