#include "cli/numbers.h"

#include <charconv>
#include <optional>

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
