#include "cli/command.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "cli/numbers.h"
#include "cli/options_file.h"
#include "core/atomic_file.h"
#include "msae/core/error.h"
#include "msae/core/log.h"

namespace msae::cli {
namespace {

std::atomic<bool> interrupt_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int signal_number) {
  interrupt_flag = true;
  std::signal(signal_number, SIG_DFL);
}

[[noreturn]] void refuse_list(const std::string& text, const std::string& option) {
  throw std::invalid_argument(option + ": '" + text + "' is not a list of numbers like 64,128,256");
}

template <typename Number>
std::vector<Number> parse_list(const std::string& text, const std::string& option) {
  std::vector<Number> values;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    Number value{};
    const auto [next, error] = std::from_chars(at, end, value);
    const bool ends_well = error == std::errc() && (next == end || (*next == ',' && next + 1 != end));
    if (!ends_well) refuse_list(text, option);
    values.push_back(value);
    if (next == end) return values;
    at = next + 1;
  }
}

// A device, pipe or stream, /dev/stdout say, cannot be written beside and renamed.
bool is_device_or_stream(const std::filesystem::path& file) {
  std::error_code ignored;
  return files::is_stream(file) || std::filesystem::is_other(file, ignored);
}

// Asked before the work whose result would be lost, and as it is written, when the work may have made the
// file. Data, weights and options are never results; a model's cfg.json is the one JSON that is not.
bool is_ours_to_replace(const std::filesystem::path& file) {
  std::error_code ignored;
  if (is_device_or_stream(file) || !std::filesystem::is_regular_file(file, ignored)) return true;
  if (std::filesystem::is_empty(file, ignored)) return true;
  const auto first = std::ifstream(file).get();
  return (first == '{' || first == '[') && file.filename() != "cfg.json";
}

void refuse_what_is_not_ours(const std::string& file) {
  if (is_ours_to_replace(file)) return;
  throw IoError("--json: " + file + " holds something else than results; name another file");
}

void check_json_target(const std::string& file, const std::string& folder_to_come) {
  namespace fs = std::filesystem;
  if (file.empty() || file == "-" || is_device_or_stream(file)) return;
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
  if (!reason.empty()) throw IoError("--json: " + file + " cannot be written: " + reason);
  refuse_what_is_not_ours(file);
}

// What was printed before stays where stdout is a file.
void write_text(const std::string& file, const std::string& text) {
  refuse_what_is_not_ours(file);
  if (!is_device_or_stream(file)) return files::write_file(file, text);
  std::cout << std::flush;
  if (!(std::ofstream(file, std::ios::app) << text << std::flush)) {
    throw IoError("--json: " + file + " cannot be written");
  }
}

}  // namespace

void add_common(CLI::App& command, Common& common) {
  const std::string group = "General";
  add_config(command);
  command.get_option("--config")->group(group);
  command
      .add_option("--json", common.json,
                  "Write the results as JSON to FILE ('-': to stdout, instead of the table)")
      ->type_name("FILE")
      ->configurable(false)
      ->group(group);
  auto* quiet = command.add_flag("--quiet", common.quiet, "No progress and no remarks on stderr")
                    ->configurable(false)
                    ->group(group);
  command.add_flag("--verbose", common.verbose, "More remarks on stderr")
      ->configurable(false)
      ->excludes(quiet)
      ->group(group);
  add_whole(command, "--threads", common.threads, "Threads to compute with [one per core]", 1, 4096)
      ->group(group);
}

void add_device(CLI::App& command, Common& common) {
  command.add_option("--device", common.device, "auto (a GPU when there is one), cpu, cuda or cuda:N")
      ->type_name("auto|cpu|cuda|cuda:N")
      ->capture_default_str()
      ->group("General");
}

void add_seed(CLI::App& command, Common& common, const std::string& of_what) {
  add_whole(command, "--seed", common.seed, "Seed of " + of_what, 0,
            std::numeric_limits<std::uint64_t>::max())
      ->capture_default_str()
      ->group("General");
}

void apply(const Common& common, const std::string& folder_to_come) {
  check_json_target(common.json, folder_to_come);
  if (common.threads > 0) at::set_num_threads(common.threads);
  log::set_level(common.quiet ? log::Level::warning : common.verbose ? log::Level::debug : log::Level::info);
}

bool shows_table(const Common& common) {
  return common.json != "-";
}

void write_json(const Common& common, const nlohmann::ordered_json& result) {
  if (common.json.empty()) return;
  // Names from files need not be UTF-8, as JSON must.
  const auto text = result.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (common.json == "-") {
    std::cout << text << std::flush;
  } else {
    write_text(common.json, text);
  }
}

void say(const Common& common, const std::string& line) {
  if (!common.quiet) std::cerr << line << std::endl;
}

std::string absolute_path(const std::string& path) {
  return std::filesystem::absolute(path).string();
}

void refuse_to_replace(const std::string& file, bool force) {
  if (force || !std::filesystem::exists(file)) return;  // throws where that cannot be told
  throw IoError(file + ": exists; name another file or pass --force to replace it");
}

const std::atomic<bool>& interrupted() {
  return interrupt_flag;
}

void watch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  if (std::signal(SIGHUP, on_interrupt) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // as nohup wants it
}

std::vector<std::int64_t> parse_integers(const std::string& text, const std::string& option) {
  return parse_list<std::int64_t>(text, option);
}

std::vector<double> parse_numbers(const std::string& text, const std::string& option) {
  return parse_list<double>(text, option);
}

}  // namespace msae::cli
