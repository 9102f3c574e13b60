// What every subcommand shares: common options, results, messages, interruption.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/results.h"

namespace msae::cli {

/// Options that mean the same everywhere.
struct Common {
  bool quiet = false;
  bool verbose = false;
  int threads = 0;  ///< 0: Torch's choice, one per core
  std::string device = "auto";
  std::uint64_t seed = 42;
  std::string json;  ///< "-": stdout, in place of the table
};

/// Adds --config, --json, --quiet, --verbose and --threads, to which a subcommand adds the others it has.
void add_common(CLI::App& command, Common& common);
void add_device(CLI::App& command, Common& common);
void add_seed(CLI::App& command, Common& common, const std::string& of_what);

/// Threads, log level, and whether --json can be written; call first.
/// \param folder_to_come a folder that the work will make, where --json may lie
void apply(const Common& common, const std::string& folder_to_come = {});

/// What --json names; of no name where that is stdout.
ResultFile json_target(const Common& common);
/// Whether the human-readable result belongs on stdout.
bool shows_table(const Common& common);
/// Writes the JSON to the file or stdout that --json names; nothing when it was not given.
void write_json(const Common& common, const nlohmann::ordered_json& result);
/// The JSON as a file holds it.
std::string json_text(const nlohmann::ordered_json& json);

/// A line on stderr unless --quiet.
void say(const Common& common, const std::string& line);

/// As a run's options name a file or DATA, so that the run can be repeated from any folder. A DATA with a
/// path inside the file counts as one path; "..", which may follow a link, stays as it is.
std::string absolute_path(const std::string& path);

/// \throws msae::IoError where a file of that name is there and not to be replaced,
/// std::filesystem::filesystem_error where nobody can tell, as of links in a circle
void refuse_to_replace(const std::string& file, bool force);

/// Set by the first Ctrl-C or SIGTERM once watch_interrupts() was called; the second one ends the process.
const std::atomic<bool>& interrupted();
void watch_interrupts();

/// "64,128,256" as numbers. \throws std::invalid_argument naming the option
std::vector<std::int64_t> parse_integers(const std::string& text, const std::string& option);
std::vector<double> parse_numbers(const std::string& text, const std::string& option);

void add_train(CLI::App& program);
void add_bench(CLI::App& program);
void add_convert(CLI::App& program);
void add_encode(CLI::App& program);
void add_eval(CLI::App& program);
void add_bias(CLI::App& program);
void add_info(CLI::App& program);
void add_name(CLI::App& program);
void add_pareto(CLI::App& program);
void add_report(CLI::App& program);
void add_search(CLI::App& program);
void add_steer(CLI::App& program);
void add_sweep(CLI::App& program);
void add_synth(CLI::App& program);
void add_tree(CLI::App& program);
void add_completion(CLI::App& program);

}  // namespace msae::cli
