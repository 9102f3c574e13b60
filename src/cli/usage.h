// What is said of a call that is none.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace msae::cli {

/// One sentence on what was typed wrong, with what was probably meant, and a line that leads to --help.
std::string usage_error(const CLI::App& program, const CLI::ParseError& error);

/// A script's variable that is not set must not pass for an option that is not given.
/// \throws std::invalid_argument naming the option of the subcommand being run whose value is empty
void refuse_empty_values(const CLI::App& program);

}  // namespace msae::cli
