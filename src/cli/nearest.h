// Names of subcommands and options, and what was probably meant by one that is not known.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace msae::cli {

/// The name nearest to `word`; empty where none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

/// "; did you mean 'train'?"; nothing for an empty name.
std::string did_you_mean(const std::string& name);

/// Names of the subcommands that are not hidden.
std::vector<std::string> subcommand_names(const CLI::App& program);

/// The long option of `command`, without dashes, that is nearest to `word`, also by a name that other
/// programs give it; empty where none is. With `configurable_only` those that a file can set.
std::string nearest_option(const std::string& word, const CLI::App& command, bool configurable_only);

/// The name of an option without dashes, in small letters for one that has no dashes.
std::string plain_name(const CLI::Option& option);

/// Whether it takes no value.
bool is_flag(const CLI::Option& option);

}  // namespace msae::cli
