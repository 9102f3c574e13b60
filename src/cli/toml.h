// TOML as far as options need it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace msae::cli {

/// One `name = value` of a file.
struct TomlEntry {
  enum class Kind { text, number, boolean, array, table, other };
  std::string section;  ///< of [section]; empty at top level
  std::string name;
  long line = 0;  ///< from 1
  Kind kind = Kind::other;
  Kind element = Kind::other;       ///< of an array: what it holds, text where there is any
  std::vector<std::string> values;  ///< as they would be typed; several for an array alone
};

/// What is wrong with a file, in words.
struct TomlError : std::runtime_error {
  TomlError(long at, const std::string& sentence) : std::runtime_error(sentence), line(at) {}
  long line;
};

/// All entries in the order of their lines. \throws TomlError
std::vector<TomlEntry> parse_toml(const std::string& text);

/// The shortest number that reads as the same, and as a real one: 30.0 is no whole number.
std::string toml_number(double value);

/// As a TOML string. \throws std::invalid_argument when the text is not UTF-8
std::string toml_string(const std::string& text);

}  // namespace msae::cli
