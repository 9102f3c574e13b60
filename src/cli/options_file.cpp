#include "cli/options_file.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/nearest.h"
#include "cli/option_entries.h"
#include "core/file.h"
#include "msae/core/error.h"

namespace msae::cli {
namespace {

constexpr std::uint64_t most_bytes = 1 << 20;

bool typed(const CLI::Option* option) {
  return option && option->count() > 0;
}

CLI::App* running(const CLI::App& program) {
  const auto parsed = program.get_subcommands();
  return parsed.empty() ? nullptr : parsed.front();
}

std::string value_of(const CLI::App& command, const std::string& name) {
  const auto* option = command.get_option_no_throw(name);
  return typed(option) ? option->results().back() : "";
}

bool is_heading(const TomlEntry& entry) {
  return entry.section.empty() && entry.kind == TomlEntry::Kind::table;
}

bool is_subcommand(const std::string& name, const CLI::App& program) {
  const auto names = subcommand_names(program);
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether the command line has the option, or one that excludes it, as --steps does epochs.
bool gives_way(const CLI::Option& option) {
  const auto excludes = option.get_excludes();
  return typed(&option) || std::any_of(excludes.begin(), excludes.end(), typed);
}

// What the command line makes void in the file: what belongs to another value than it has typed, as the k of
// one model is not that of another, and what nobody chose, where something is typed that it may come from.
std::set<std::string> void_options(const CLI::App& command, const std::vector<Setting>& settings) {
  static const std::map<std::string, std::set<std::string>> dependents = {
      {"model", {"k", "levels", "weights", "batch-levels", "l1", "l0", "threshold", "bandwidth"}},
      {"preset", {"lr", "schedule", "warmup", "decay", "unit-norm"}}};
  static const std::vector<std::string> origins = {
      "--data",      "--holdout", "--skip-bad-rows", "--preset", "--model", "--latents",
      "--expansion", "--epochs",  "--batch-size",    "--steps",  "--lr"};
  const bool chooses_anew = std::any_of(origins.begin(), origins.end(), [&](const auto& name) {
    return typed(command.get_option_no_throw(name));
  });
  std::set<std::string> names;
  for (const auto& [entry, option] : settings) {
    if (entry.values.empty()) continue;
    if (entry.name == "by-default" && chooses_anew) {
      for (const auto& name : CLI::detail::split(entry.values[0], ',')) names.insert(name);
    }
    const auto found = dependents.find(entry.name);
    const auto value = value_of(command, "--" + entry.name);
    if (found == dependents.end() || value.empty() || value == entry.values[0]) continue;
    names.insert(found->second.begin(), found->second.end());
  }
  return names;
}

}  // namespace

void add_config(CLI::App& command) {
  command.add_option("--config")
      ->description(
          "Take options from a TOML file: 'name = value' for each, as in RUN/options.toml,\n"
          "[SUBCOMMAND] above those of one subcommand; the command line wins")
      ->type_name("FILE")
      ->configurable(false);
}

std::shared_ptr<OptionsFile> OptionsFile::attach(CLI::App& program) {
  auto file = std::make_shared<OptionsFile>(program);
  // CLI11 calls only for a file that is there.
  program.set_config("--config-of-cli11", "/dev/null")->group("");
  program.config_formatter(file);
  return file;
}

void OptionsFile::refuse(const std::string& sentence, long line) const {
  const auto place = line > 0 ? "line " + std::to_string(line) + ": " : "";
  if (!resumed_options().empty()) throw CLI::ConfigError(place + sentence);
  throw CLI::ConfigError(file_ + (line > 0 ? ", " : ": ") + place + sentence);
}

std::vector<CLI::ConfigItem> OptionsFile::from_config(std::istream&) const {
  auto* command = running(program_);
  if (!command || typed(command->get_help_ptr()) || typed(program_.get_version_ptr())) return {};
  const bool given =
      typed(command->get_option_no_throw("--config")) || typed(program_.get_option_no_throw("--config"));
  file_ = file_of_call();
  if (given && file_.empty()) throw CLI::ConfigError("--config: must name a file");
  try {
    if (!file_.empty()) read(*command);
  } catch (const TomlError& error) {
    refuse(error.what(), error.line);
  }
  return {};
}

std::string OptionsFile::file_of_call() const {
  auto resumed = resumed_options();
  if (!resumed.empty()) return resumed;
  auto file = value_of(*running(program_), "--config");
  return file.empty() ? value_of(program_, "--config") : file;
}

std::string OptionsFile::resumed_run() const {
  const auto* command = running(program_);
  if (!command || !typed(command->get_option_no_throw("--resume"))) return {};
  if (typed(command->get_option_no_throw("--config")) || typed(program_.get_option_no_throw("--config")))
    return {};
  return value_of(*command, "--out");
}

bool OptionsFile::gave(const std::string& option) const {
  return option.rfind("--", 0) == 0 && given_.count(option.substr(2)) > 0;
}

std::string OptionsFile::resumed_options() const {
  const auto run = resumed_run();
  const auto file = std::filesystem::path(run) / "options.toml";
  std::error_code ignored;
  return !run.empty() && std::filesystem::is_regular_file(file, ignored) ? file.string() : "";
}

// Everything is looked at before anything is set, so that what has a value was typed.
void OptionsFile::read(CLI::App& command) const {
  std::vector<Setting> settings;
  for (const auto& entry : entries()) {
    auto& of = owner(entry, command);
    if (is_heading(entry)) continue;
    auto& option = find(entry, of);
    check_shape(entry, option);
    if (&of == &command) settings.push_back({entry, &option});
  }
  check_together(settings);
  const auto names = resumed_options().empty() ? void_options(command, settings) : std::set<std::string>();
  std::vector<Setting> wanted;
  for (const auto& setting : settings) {
    if (!names.count(setting.entry.name) && !gives_way(*setting.option)) wanted.push_back(setting);
  }
  for (const auto& setting : wanted) {
    if (set_option(setting)) given_.insert(setting.entry.name);
  }
}

std::vector<TomlEntry> OptionsFile::entries() const {
  try {
    return parse_toml(files::read_text(file_, most_bytes));
  } catch (const IoError& error) {
    if (!resumed_options().empty()) throw;
    throw CLI::ConfigError("--config: " + std::string(error.what()));
  }
}

// The subcommand that an entry, or the heading of a section, is for.
CLI::App& OptionsFile::owner(const TomlEntry& entry, CLI::App& command) const {
  const auto& name = is_heading(entry) ? entry.name : entry.section;
  if (name.empty()) return command;
  const auto found = program_.get_subcommands([&](CLI::App* sub) { return sub->get_name() == name; });
  if (!found.empty()) return *found[0];
  if (option_named(command, name)) refuse("'" + name + "' takes a value, not a table", entry.line);
  refuse("unknown section '" + name + "'" + did_you_mean(nearest(name, subcommand_names(program_))),
         entry.line);
}

CLI::Option& OptionsFile::find(const TomlEntry& entry, CLI::App& command) const {
  auto* option = option_named(command, entry.name);
  if (!option && entry.section.empty() && is_subcommand(entry.name, program_)) {
    refuse("'" + entry.name + "' is a section: write [" + entry.name + "], and its options below",
           entry.line);
  }
  if (!option) {
    for (auto* other : program_.get_subcommands([](CLI::App*) { return true; })) {
      if (!option_named(*other, entry.name)) continue;
      refuse("'" + entry.name + "' is an option of " + other->get_name() + ", not of " + command.get_name() +
                 "; it belongs below [" + other->get_name() + "]",
             entry.line);
    }
    refuse_unknown(entry, command);
  }
  if (!option->get_configurable()) refuse_to_configure(entry);
  return *option;
}

std::set<std::string> options_from_file(const CLI::App& command) {
  const auto* file = dynamic_cast<const OptionsFile*>(command.get_parent()->get_config_formatter().get());
  return file ? file->given() : std::set<std::string>();
}

}  // namespace msae::cli
