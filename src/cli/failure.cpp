#include "cli/failure.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>
#include <new>

namespace msae::cli {
namespace {

constexpr const char* out_of_memory = "out of memory; try a smaller --batch-size or fewer latents";

}  // namespace

std::string in_words(const std::exception& error) {
  if (const auto* of_torch = dynamic_cast<const c10::Error*>(&error)) {
    const std::string sentence = of_torch->what_without_backtrace();
    return sentence.find("can't allocate memory") == std::string::npos ? sentence : out_of_memory;
  }
  if (dynamic_cast<const std::bad_alloc*>(&error)) return out_of_memory;
  if (const auto* of_file = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return of_file->path1().string() + ": " + of_file->code().message();
  }
  return error.what();
}

std::string in_options(const CLI::App& command, const std::string& sentence) {
  const auto colon = sentence.find(": ");
  if (colon == std::string::npos) return sentence;
  auto name = "--" + sentence.substr(0, colon);
  std::replace(name.begin(), name.end(), '_', '-');
  if (name == "--learning-rate") name = "--lr";
  if (name == "--sizes") name = "--levels";
  if (name == "--cknna-rows") name = "--cknna";
  if (name == "--share") name = "--holdout";
  return command.get_option_no_throw(name) ? name + sentence.substr(colon) : sentence;
}

}  // namespace msae::cli
