#include "cli/numbers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace msae::cli {
namespace {

template <typename Number>
std::optional<Number> parse(const std::string& text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || next != end) return std::nullopt;
  return value;
}

// The number in plain digits, "007" as "7"; empty where it is none or beyond the limits.
std::string digits(const std::string& text, std::int64_t least, std::uint64_t most) {
  if (const auto value = parse<std::int64_t>(text)) {
    const bool fits = *value >= least && (*value < 0 || static_cast<std::uint64_t>(*value) <= most);
    return fits ? std::to_string(*value) : "";
  }
  const auto large = parse<std::uint64_t>(text);
  return large && *large <= most ? std::to_string(*large) : "";
}

std::string limits(std::int64_t least, std::uint64_t most) {
  if (least == std::numeric_limits<std::int64_t>::min()) return "a whole number below 2^63";
  return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

CLI::Option* add_size(CLI::App& command, const std::string& name, std::string& value,
                      const std::string& text) {
  return command.add_option(name, value, text)->type_name("SIZE")->capture_default_str();
}

std::uint64_t parse_size(const std::string& text, const std::string& option) {
  if (text == "auto") return 0;
  constexpr std::array<std::pair<std::string_view, double>, 8> units{{{"kb", 1e3},
                                                                      {"mb", 1e6},
                                                                      {"gb", 1e9},
                                                                      {"tb", 1e12},
                                                                      {"kib", 0x1p10},
                                                                      {"mib", 0x1p20},
                                                                      {"gib", 0x1p30},
                                                                      {"tib", 0x1p40}}};
  const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = parse<double>(text.substr(0, end));
  auto unit = text.substr(std::min(text.find_first_not_of(' ', end), text.size()));
  for (auto& letter : unit) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  const auto known = std::find_if(units.begin(), units.end(),
                                  [&](const auto& candidate) { return candidate.first == unit; });
  constexpr double least = 1, most = 0x1p62;
  const auto bytes = number && known != units.end() ? *number * known->second : 0;
  if (bytes >= least && bytes <= most) return static_cast<std::uint64_t>(bytes);
  throw std::invalid_argument(option + ": must be auto or a size like 8GB or 500MB, not '" + text + "'");
}

CLI::Validator whole(std::int64_t least, std::uint64_t most) {
  const auto check = [least, most](std::string& text) -> std::string {
    const auto number = digits(text, least, most);
    if (number.empty()) return "must be " + limits(least, most) + ", not '" + text + "'";
    text = number;
    return {};
  };
  return {check, ""};
}

CLI::Validator real() {
  const auto check = [](const std::string& text) -> std::string {
    return parse<double>(text)
               ? ""
               : "must be a number like 0.001 that double precision can hold, not '" + text + "'";
  };
  return {check, ""};
}

}  // namespace msae::cli
