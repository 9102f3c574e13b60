/// \file
/// JSON from files nobody has checked: a bounded parse, and fields of the type that is expected. Torch-free.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace msae::io {

/// \param file named in messages
/// \throws msae::IoError when it is not JSON or nested deeper than any file of ours
nlohmann::json parse_json(std::string_view text, const std::string& file);

/// The value as it stands in the file, shortened where it is long: for messages.
std::string as_written(const nlohmann::json& value);

/// A name from a file without quotes, control characters escaped: for messages.
std::string key_as_written(const std::string& name);

/// An object's fields. Each reader throws IoError "<file>: <key> is missing" or "<file>: <key> must be a ...,
/// not ...".
class JsonObject {
 public:
  /// \param prefix of keys in messages, e.g. "msae.". `value` must outlive the object.
  JsonObject(const nlohmann::json& value, std::string file, std::string prefix = "");

  bool has(const std::string& key) const { return value_->contains(key); }
  JsonObject object(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  std::string text(const std::string& key) const;
  std::vector<std::int64_t> integers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;

  /// A field that may be left out.
  bool flag_or(const std::string& key, bool otherwise) const;
  std::string text_or(const std::string& key, const std::string& otherwise) const;

  /// Throws IoError "<file>: <key> <what>".
  [[noreturn]] void refuse(const std::string& key, const std::string& what) const;

 private:
  const nlohmann::json& at(const std::string& key) const;
  [[noreturn]] void refuse_type(const std::string& key, const char* wanted) const;

  const nlohmann::json* value_;
  std::string file_;
  std::string prefix_;
};

}  // namespace msae::io
