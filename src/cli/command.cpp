#include "cli/command.h"

#include <ATen/Parallel.h>

#include <charconv>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "cli/numbers.h"
#include "cli/options_file.h"
#include "cli/results.h"
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
  check_target(json_target(common), folder_to_come);
  if (common.threads > 0) at::set_num_threads(common.threads);
  log::set_level(common.quiet ? log::Level::warning : common.verbose ? log::Level::debug : log::Level::info);
}

ResultFile json_target(const Common& common) {
  return json_file("--json", common.json == "-" ? "" : common.json);
}

bool shows_table(const Common& common) {
  return common.json != "-";
}

std::string json_text(const nlohmann::ordered_json& json) {
  // Names from files need not be UTF-8, as JSON must.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void write_json(const Common& common, const nlohmann::ordered_json& result) {
  if (common.json.empty()) return;
  if (common.json == "-") std::cout << json_text(result) << std::flush;
  write_result(json_target(common), json_text(result));
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
