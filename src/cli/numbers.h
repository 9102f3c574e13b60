// Options that are numbers: refused by name, value and what is expected, where CLI11 alone would take the
// nearest number it can hold, octal digits or nothing at all.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>

namespace msae::cli {

/// A whole number from `least` to `most`.
CLI::Validator whole(std::int64_t least, std::uint64_t most);
/// A real number; nan and inf are left to those who know the range.
CLI::Validator real();

/// `value` may be a number or a std::optional of one; it must hold all that the limits allow.
template <typename Value>
CLI::Option* add_whole(CLI::App& command, const std::string& name, Value& value, const std::string& text,
                       std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                       std::uint64_t most = std::numeric_limits<std::int64_t>::max()) {
  return command.add_option(name, value, text)->type_name("N")->transform(whole(least, most));
}
template <typename Value>
CLI::Option* add_real(CLI::App& command, const std::string& name, Value& value, const std::string& text) {
  return command.add_option(name, value, text)->type_name("F")->transform(real());
}

/// Bytes: "2GB", "512 MiB", "auto" for none; to be read by parse_size().
CLI::Option* add_size(CLI::App& command, const std::string& name, std::string& value,
                      const std::string& text);

/// 0 for "auto". \throws std::invalid_argument naming the option
std::uint64_t parse_size(const std::string& text, const std::string& option);

}  // namespace msae::cli
