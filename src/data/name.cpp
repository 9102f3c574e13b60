#include "data/name.h"

#include <filesystem>
#include <system_error>

namespace msae::data {

Name split_name(const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(text, error)) return {text, ""};
  if (const auto slash = text.rfind(":/"); slash != std::string::npos) {
    return {text.substr(0, slash), text.substr(slash + 1)};
  }
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || !fs::exists(text.substr(0, colon), error)) return {text, ""};
  return {text.substr(0, colon), "/" + text.substr(colon + 1)};
}

}  // namespace msae::data
