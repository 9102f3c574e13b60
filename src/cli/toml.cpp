#include "cli/toml.h"

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

namespace msae::cli {
namespace {

using Kind = TomlEntry::Kind;

// Of a value that is one string, number or boolean.
Kind kind_of(const toml::node& node) {
  if (node.is_string()) return Kind::text;
  if (node.is_number()) return Kind::number;
  if (node.is_boolean()) return Kind::boolean;
  if (node.is_array()) return Kind::array;
  return node.is_table() ? Kind::table : Kind::other;
}

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return toml_number(number->get());
  return node.as_boolean()->get() ? "true" : "false";
}

TomlEntry entry_of(const std::string& section, std::string_view name, const toml::node& node) {
  TomlEntry entry{section, std::string(name), static_cast<long>(node.source().begin.line), kind_of(node), {}};
  if (const auto* array = node.as_array()) {
    for (const auto& element : *array) {
      const auto kind = kind_of(element);
      if (kind != Kind::text && kind != Kind::number) entry.kind = Kind::other;
      if (entry.kind == Kind::array) entry.values.push_back(text_of(element));
    }
  } else if (entry.kind != Kind::table && entry.kind != Kind::other) {
    entry.values.push_back(text_of(node));
  }
  return entry;
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

toml::table parse(const std::string& text) {
  try {
    return toml::parse(std::string_view(text));
  } catch (const toml::parse_error& error) {
    throw TomlError(static_cast<long>(error.source().begin.line),
                    "is not valid TOML (" + std::string(error.description()) +
                        "); text stands in quotes, both of them, and true and false in small letters");
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
  const auto table = parse(with_large_seeds_quoted(text));
  std::vector<TomlEntry> entries;
  for (const auto& [key, node] : table) {
    entries.push_back(entry_of("", key.str(), node));
    const auto* section = node.as_table();
    if (!section) continue;
    for (const auto& [name, value] : *section) {
      entries.push_back(entry_of(std::string(key.str()), name.str(), value));
    }
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
