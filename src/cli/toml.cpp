#include "cli/toml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <toml.hpp>

namespace msae::cli {
namespace {

using Kind = TomlEntry::Kind;

// toml11 has another name for it from its version 4 on.
template <class Location>
long line_of(const Location& location) {
  if constexpr (requires { location.line(); }) {
    return static_cast<long>(location.line());
  } else {
    return static_cast<long>(location.first_line_number());
  }
}

Kind kind_of(const toml::value& value) {
  if (value.is_string()) return Kind::text;
  if (value.is_integer() || value.is_floating()) return Kind::number;
  if (value.is_boolean()) return Kind::boolean;
  if (value.is_array()) return Kind::array;
  return value.is_table() ? Kind::table : Kind::other;
}

// Of a value that is one string, number or boolean.
std::string text_of(const toml::value& value) {
  if (value.is_string()) return toml::get<std::string>(value);
  if (value.is_floating()) return toml_number(toml::get<double>(value));
  if (value.is_boolean()) return toml::get<bool>(value) ? "true" : "false";
  const auto number = toml::get<std::int64_t>(value);
  if (number == std::numeric_limits<std::int64_t>::max()) {  // where toml11 stops counting
    throw TomlError(line_of(value.location()), "is not valid TOML (whole numbers end below 2^63)");
  }
  return std::to_string(number);
}

// What an array holds when another element joins it. Booleans stand alone.
Kind joined(Kind known, Kind added) {
  if (known == added) return known;
  const bool text =
      (known == Kind::text || known == Kind::number) && (added == Kind::text || added == Kind::number);
  return text ? Kind::text : Kind::other;
}

TomlEntry entry_of(const std::string& section, const std::string& name, const toml::value& value) {
  TomlEntry entry{section, name, line_of(value.location()), kind_of(value), Kind::other, {}};
  if (value.is_array()) {
    for (const auto& element : value.as_array()) {
      const auto kind = kind_of(element);
      entry.element = entry.values.empty() ? kind : joined(entry.element, kind);
      const bool is_value = kind == Kind::text || kind == Kind::number || kind == Kind::boolean;
      if (!is_value || entry.element == Kind::other) entry.kind = Kind::other;
      if (entry.kind == Kind::array) entry.values.push_back(text_of(element));
    }
  } else if (entry.kind != Kind::table && entry.kind != Kind::other) {
    entry.values.push_back(text_of(value));
  }
  return entry;
}

// toml11 tells what is wrong as a compiler does: "[error] toml::FUNCTION: WHAT" and, for each of the lines
// that have to do with it, " 3 | LINE" above "   |  ^-- WHY".
TomlError in_a_sentence(const std::string& message) {
  std::istringstream lines(message);
  std::string what, line, why;
  std::getline(lines, what);
  if (const auto function = what.find("toml::"); function != std::string::npos) {
    what.erase(0, std::min(what.size(), what.find(": ", function) + 2));
  }
  long last = 0;
  while (std::getline(lines, line)) {
    char* end = nullptr;
    const long number = std::strtol(line.c_str(), &end, 10);
    if (number > 0 && std::string(end).rfind(" |", 0) == 0) last = number;
    if (const auto caret = line.find("^-"); caret != std::string::npos) {
      why = line.substr(std::min(line.size(), line.find_first_not_of("^- ", caret)));
    }
  }
  if (what.empty()) what = why;
  if (const std::string tag = "[error] "; what.rfind(tag, 0) == 0) what.erase(0, tag.size());
  if (!what.empty() && what.back() == '.') what.pop_back();
  const bool of_values = what.find("key") == std::string::npos &&
                         what.find("separator") == std::string::npos &&
                         what.find("already") == std::string::npos;
  return {last, "is not valid TOML (" + what +
                    (of_values ? "); text stands in quotes, both of them, and true and false in small letters"
                               : ")")};
}

// Whole numbers of TOML end at 2^63, which a seed may exceed: as a string it means the same.
std::string with_large_seeds_quoted(const std::string& text) {
  std::istringstream in(text);
  std::string result;
  for (std::string line; std::getline(in, line);) {
    const std::string key = "seed = ";
    const bool is_large = line.rfind(key, 0) == 0 && line.size() >= key.size() + 19 &&
                          line.find_first_not_of("0123456789", key.size()) == std::string::npos;
    result += (is_large ? key + '"' + line.substr(key.size()) + '"' : line) + "\n";
  }
  return result;
}

toml::value parse(const std::string& text) {
  std::istringstream in(with_large_seeds_quoted(text));
  try {
    return toml::parse(in, "options");
  } catch (const std::exception& error) {
    throw in_a_sentence(error.what());
  }
}

}  // namespace

std::string toml_number(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  std::string text(digits.data(), end);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

std::vector<TomlEntry> parse_toml(const std::string& text) {
  const auto file = parse(text);
  std::vector<TomlEntry> entries;
  for (const auto& [key, value] : file.as_table()) {
    entries.push_back(entry_of("", key, value));
    if (!value.is_table()) continue;
    for (const auto& [name, inner] : value.as_table()) entries.push_back(entry_of(key, name, inner));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const TomlEntry& a, const TomlEntry& b) { return a.line < b.line; });
  return entries;
}

std::string toml_string(const std::string& text) {
  try {
    std::string quoted;  // JSON's escapes are TOML's, but for DEL
    for (const char letter : nlohmann::json(text).dump()) {
      quoted += letter == '\x7f' ? std::string("\\u007F") : std::string(1, letter);
    }
    return quoted;
  } catch (const nlohmann::json::exception&) {
    throw std::invalid_argument("'" + text +
                                "' is not UTF-8, as the text of options.toml must be; rename it");
  }
}

}  // namespace msae::cli
