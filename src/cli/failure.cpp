#include "cli/failure.h"

#include <c10/util/Exception.h>

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

}  // namespace msae::cli
