#include "io/json_reader.h"

#include <limits>
#include <utility>

#include "msae/core/error.h"

namespace msae::io {
namespace {

using nlohmann::json;

// Far more than any file of ours. Deeper nesting would cost memory and, in code that walks the tree, stack.
constexpr int max_depth = 64;

constexpr std::size_t longest_quote = 60;

std::string shortened(const std::string& text) {
  return text.size() <= longest_quote ? text : text.substr(0, longest_quote) + "...";
}

bool is_int64(const json& value) {
  if (value.is_number_unsigned()) {
    return value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }
  return value.is_number_integer();
}

template <typename Predicate>
bool all_of(const json& value, Predicate predicate) {
  if (!value.is_array()) return false;
  for (const auto& element : value) {
    if (!predicate(element)) return false;
  }
  return true;
}

}  // namespace

json parse_json(std::string_view text, const std::string& file) {
  const auto check_depth = [&](int depth, json::parse_event_t, json&) {
    if (depth > max_depth) throw IoError(file + ": is nested too deeply to be a file of this kind");
    return true;
  };
  try {
    return json::parse(text, check_depth);
  } catch (const json::parse_error& error) {
    throw IoError(file + ": is not valid JSON (byte " + std::to_string(error.byte) + ")");
  } catch (const json::exception&) {
    throw IoError(file + ": is not valid JSON (a number is out of range)");
  }
}

std::string as_written(const json& value) {
  if (value.is_array() && value.size() > longest_quote) return "a list of " + std::to_string(value.size());
  return shortened(value.dump(-1, ' ', /*ensure_ascii=*/true));
}

std::string key_as_written(const std::string& name) {
  const auto text = json(name).dump(-1, ' ', /*ensure_ascii=*/true);
  return shortened(text.substr(1, text.size() - 2));
}

JsonObject::JsonObject(const json& value, std::string file, std::string prefix)
    : value_(&value), file_(std::move(file)), prefix_(std::move(prefix)) {
  if (value.is_object()) return;
  const auto name = prefix_.empty() ? "the file" : prefix_.substr(0, prefix_.size() - 1);
  throw IoError(file_ + ": " + name + " must be a JSON object, not " + as_written(value));
}

void JsonObject::refuse(const std::string& key, const std::string& what) const {
  throw IoError(file_ + ": " + prefix_ + key_as_written(key) + " " + what);
}

void JsonObject::refuse_type(const std::string& key, const char* wanted) const {
  refuse(key, "must be " + std::string(wanted) + ", not " + as_written(at(key)));
}

const json& JsonObject::at(const std::string& key) const {
  const auto found = value_->find(key);
  if (found == value_->end()) refuse(key, "is missing");
  return *found;
}

JsonObject JsonObject::object(const std::string& key) const {
  return {at(key), file_, prefix_ + key_as_written(key) + "."};
}

std::int64_t JsonObject::integer(const std::string& key) const {
  if (!is_int64(at(key))) refuse_type(key, "a whole number");
  return at(key).get<std::int64_t>();
}

double JsonObject::number(const std::string& key) const {
  if (!at(key).is_number()) refuse_type(key, "a number");
  return at(key).get<double>();
}

std::string JsonObject::text(const std::string& key) const {
  if (!at(key).is_string()) refuse_type(key, "a text");
  return at(key).get<std::string>();
}

std::vector<std::int64_t> JsonObject::integers(const std::string& key) const {
  if (!all_of(at(key), is_int64)) refuse_type(key, "a list of whole numbers");
  return at(key).get<std::vector<std::int64_t>>();
}

std::vector<double> JsonObject::numbers(const std::string& key) const {
  const auto is_number = [](const json& element) { return element.is_number(); };
  if (!all_of(at(key), is_number)) refuse_type(key, "a list of numbers");
  return at(key).get<std::vector<double>>();
}

bool JsonObject::flag_or(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_boolean()) refuse_type(key, "true or false");
  return at(key).get<bool>();
}

std::string JsonObject::text_or(const std::string& key, const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

}  // namespace msae::io
