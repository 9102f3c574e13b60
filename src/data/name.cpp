#include "data/name.h"

#include <filesystem>
#include <system_error>

namespace msae::data {

bool is_pattern(const std::string& file) {
  std::error_code error;
  return file.find_first_of("*?[") != std::string::npos && !std::filesystem::exists(file, error);
}

Name split_name(const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(text, error)) return {text, ""};
  if (const auto slash = text.rfind(":/"); slash != std::string::npos) {
    return {text.substr(0, slash), text.substr(slash + 1)};
  }
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return {text, ""};
  const auto file = text.substr(0, colon);
  if (!fs::exists(file, error) && !is_pattern(file)) return {text, ""};
  auto dataset = text.substr(colon);
  dataset.front() = '/';
  return {file, dataset};
}

}  // namespace msae::data
