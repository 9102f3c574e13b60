#include "cli/results.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "core/atomic_file.h"
#include "io/model_format.h"
#include "msae/core/error.h"

namespace msae::cli {
namespace {

namespace fs = std::filesystem;

// A device, pipe or stream, /dev/stdout say, cannot be written beside and renamed.
bool is_device_or_stream(const fs::path& file) {
  std::error_code ignored;
  return files::is_stream(file) || fs::is_other(file, ignored);
}

bool begins_with(const fs::path& file, const std::string& text) {
  std::string begin(text.size(), '\0');
  std::ifstream(file, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return begin == text;
}

// Asked before the work, and as the file is written, when the work may have made it. Data, weights and
// options are never results; a model's cfg.json is the one JSON that is not.
bool is_ours_to_replace(const ResultFile& target) {
  const fs::path file = target.name;
  std::error_code ignored;
  if (is_device_or_stream(file) || !fs::is_regular_file(file, ignored)) return true;
  if (fs::is_empty(file, ignored)) return true;
  return file.filename() != "cfg.json" &&
         std::any_of(target.beginnings.begin(), target.beginnings.end(),
                     [&](const auto& text) { return begins_with(file, text); });
}

void refuse_what_is_not_ours(const ResultFile& target) {
  if (is_ours_to_replace(target)) return;
  throw IoError(target.option + ": " + target.name + " holds something else than results; name another file");
}

// Also of names that nothing has yet.
bool is_same_file(const fs::path& one, const fs::path& other) {
  std::error_code ignored;
  return fs::equivalent(one, other, ignored) ||
         fs::absolute(one).lexically_normal() == fs::absolute(other).lexically_normal();
}

bool is_part_of(const fs::path& file, const fs::path& model) {
  const auto is_in = [&](const char* name) { return is_same_file(file, model / name); };
  return is_same_file(file, model) || is_in(io::config_name) || is_in(io::weights_name) ||
         is_in(io::sparsify_weights_name) || is_in(io::dictionary_config_name) ||
         is_in(io::dictionary_weights_name);
}

}  // namespace

ResultFile json_file(const std::string& option, const std::string& name) {
  return {option, name, {"{", "["}};
}

ResultFile csv_file(const std::string& option, const std::string& name) {
  return {option, name, {"run,label,"}};
}

ResultFile html_file(const std::string& option, const std::string& name) {
  return {option, name, {"<!DOCTYPE html>"}};
}

void check_target(const ResultFile& target, const std::string& folder_to_come) {
  const auto& file = target.name;
  if (file.empty() || is_device_or_stream(file)) return;
  const auto folder = (fs::path(".") / file).parent_path();
  std::error_code error;
  if (!folder_to_come.empty() &&
      folder.lexically_normal() == (fs::path(".") / folder_to_come / "").parent_path().lexically_normal()) {
    return;
  }
  std::string reason;
  if (!fs::is_directory(folder, error)) {
    reason = "there is no folder " + fs::path(file).parent_path().string();
  } else if (fs::is_directory(file, error)) {
    reason = "a folder of that name is there";
  } else if (::access(folder.c_str(), W_OK) != 0) {
    reason = std::generic_category().message(errno);
  }
  if (!reason.empty()) throw IoError(target.option + ": " + file + " cannot be written: " + reason);
  refuse_what_is_not_ours(target);
}

void refuse_shared_files(const std::vector<ResultFile>& written, const std::vector<std::string>& read) {
  for (auto file = written.begin(); file != written.end(); ++file) {
    if (file->name.empty() || is_device_or_stream(file->name)) continue;
    for (const auto& input : read) {
      if (input.empty() || !is_part_of(file->name, input)) continue;
      throw IoError(file->option + ": " + file->name + " is a file that is read; name another");
    }
    for (auto other = written.begin(); other != file; ++other) {
      if (other->name.empty() || !is_same_file(file->name, other->name)) continue;
      throw IoError(file->option + ": " + file->name + " is the file of " + other->option + "; name another");
    }
  }
}

// What was printed before stays where stdout is a file.
void write_result(const ResultFile& target, const std::string& text) {
  const auto& file = target.name;
  if (file.empty()) return;
  refuse_what_is_not_ours(target);
  if (!is_device_or_stream(file)) return files::write_file(file, text);
  std::cout << std::flush;
  if (!(std::ofstream(file, std::ios::app) << text << std::flush)) {
    throw IoError(target.option + ": " + file + " cannot be written");
  }
}

}  // namespace msae::cli
