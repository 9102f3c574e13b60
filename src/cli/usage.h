// What is said of a call that is none.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace msae::cli {

/// One sentence on what was typed wrong, with what was probably meant, and a line that leads to --help.
std::string usage_error(const CLI::App& program, const CLI::ParseError& error);

}  // namespace msae::cli
