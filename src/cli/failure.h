// Every failure as one sentence.
#pragma once

#include <CLI/CLI.hpp>
#include <exception>
#include <string>

namespace msae::cli {

/// What happened, without the marks of where in the program.
std::string in_words(const std::exception& error);

/// The library names its fields, as in "batch_size: must be at least 1": where the command has an option for
/// it, the sentence names that.
std::string in_options(const CLI::App& command, const std::string& sentence);

}  // namespace msae::cli
