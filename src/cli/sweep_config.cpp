#include "cli/sweep_config.h"

#include <algorithm>
#include <set>

#include "cli/nearest.h"
#include "cli/option_entries.h"
#include "cli/train_model.h"
#include "core/file.h"

namespace msae::cli {
namespace {

using Kind = TomlEntry::Kind;

constexpr std::uint64_t most_config_bytes = 1 << 20;
constexpr std::size_t most_runs = 10'000;

// All runs of a sweep see the same rows.
const std::set<std::string> of_all_runs = {"data", "eval", "out", "holdout", "unit-rows", "skip-bad-rows"};

// The options of `msae train`, which know what they take.
struct Options {
  CLI::App app;
  TrainArguments arguments;
  Options() { add_train_options(app, arguments); }
  void set(const TomlEntry& entry) { set_option({entry, option_named(app, entry.name)}); }
};

struct Choice {
  std::string name;
  std::vector<TomlEntry> values;  ///< each as if it stood alone
};

void refuse_section(const TomlEntry& entry, const std::string& name) {
  if (name == "train") throw TomlError(entry.line, "the options of a sweep stand below [sweep], not [train]");
  throw TomlError(entry.line, "unknown section '" + name + "'" + did_you_mean(nearest(name, {"sweep"})));
}

// The entries that are options.
std::vector<TomlEntry> entries_of(const std::string& text) {
  std::vector<TomlEntry> entries;
  for (const auto& entry : parse_toml(text)) {
    const bool heading = entry.section.empty() && entry.kind == Kind::table;
    const auto& section = heading ? entry.name : entry.section;
    if (!section.empty() && section != "sweep") refuse_section(entry, section);
    if (!heading) entries.push_back(entry);
  }
  return entries;
}

// A list of numbers is one value of an option that takes such a list.
bool is_choice(const TomlEntry& entry, const CLI::Option& option) {
  return entry.kind == Kind::array && !entry.values.empty() &&
         !(is_list(option) && entry.element == Kind::number);
}

Choice choice_of(const TomlEntry& entry, const CLI::Option& option) {
  Choice choice{entry.name, {entry}};
  if (is_choice(entry, option)) {
    if (of_all_runs.count(entry.name)) {
      throw TomlError(entry.line, "'" + entry.name + "' takes one value, which is that of all runs");
    }
    choice.values.clear();
    for (const auto& value : entry.values) {
      choice.values.push_back({entry.section, entry.name, entry.line, entry.element, Kind::other, {value}});
    }
  }
  std::set<std::vector<std::string>> known;
  for (const auto& value : choice.values) {
    check_shape(value, option);
    if (value.values == std::vector<std::string>{""}) {
      throw TomlError(entry.line, "'" + entry.name + "' must not be empty");
    }
    if (known.insert(value.values).second) continue;
    throw TomlError(entry.line, "'" + entry.name + "' has " + value.values[0] + " twice");
  }
  return choice;
}

std::vector<Choice> choices_of(const std::vector<TomlEntry>& entries) {
  Options options;
  std::vector<Setting> settings;
  std::vector<Choice> choices;
  for (const auto& entry : entries) {
    auto* option = option_named(options.app, entry.name);
    if (!option) refuse_unknown(entry, options.app);
    if (!option->get_configurable()) refuse_to_configure(entry);
    settings.push_back({entry, option});
    choices.push_back(choice_of(entry, *option));
  }
  check_together(settings);
  return choices;
}

// Whether an option has a say in a model; throws what it is for otherwise. Its values are looked at one by
// one, as a default is no mistake with any model.
void check_say(const TomlEntry* model, const Choice& choice) {
  for (const auto& value : choice.values) {
    Options options;
    if (model) options.set(*model);
    options.set(value);
    refuse_what_does_not_apply(options.arguments);
  }
}

bool has_say(const TomlEntry* model, const Choice& choice) {
  try {
    check_say(model, choice);
    return true;
  } catch (const DoesNotApply&) {
    return false;
  }
}

// What a value adds to a run's name: the value where it is a word that says enough, "reverse", the option's
// name before it otherwise, "k32".
std::string part_of_name(const TomlEntry& value) {
  if (value.kind == Kind::boolean) return value.values[0] == "true" ? value.name : "no-" + value.name;
  auto text = CLI::detail::join(value.values, ",");
  const bool is_word = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos;
  if (!is_word) text = value.name + text;
  if (text == "auto") text = value.name + "-auto";
  std::replace_if(
      text.begin(), text.end(), [](char letter) { return letter == '/' || letter == ' '; }, '_');
  return text;
}

using Values = std::vector<const TomlEntry*>;

// Every combination, the last option varying fastest.
std::vector<Values> combinations(const std::vector<const Choice*>& choices) {
  std::vector<Values> all{{}};
  for (const auto* choice : choices) {
    std::vector<Values> more;
    for (const auto& values : all) {
      for (const auto& value : choice->values) {
        more.push_back(values);
        more.back().push_back(&value);
        if (more.size() <= most_runs) continue;
        throw TomlError(value.line, "'" + value.name + "' makes more than " + std::to_string(most_runs) +
                                        " runs of the sweep; leave some values out");
      }
    }
    all = std::move(more);
  }
  return all;
}

SweepRun run_of(const Values& values, const std::set<std::string>& varied) {
  Options options;
  std::string name;
  for (const auto* value : values) {
    options.set(*value);
    if (varied.count(value->name)) name += "-" + part_of_name(*value);
  }
  return {options.arguments.model + name, options.arguments};
}

// The runs of one model; null: that of the default.
void add_runs_of(const TomlEntry* model, const std::vector<Choice>& choices, std::vector<SweepRun>& runs) {
  std::vector<const Choice*> chosen;
  std::set<std::string> varied;
  for (const auto& choice : choices) {
    if (choice.name == "model" || !has_say(model, choice)) continue;
    chosen.push_back(&choice);
    if (choice.values.size() > 1) varied.insert(choice.name);
  }
  for (auto values : combinations(chosen)) {
    if (model) values.insert(values.begin(), model);
    runs.push_back(run_of(values, varied));
  }
}

std::vector<SweepRun> runs_of(const std::vector<Choice>& choices) {
  std::vector<const TomlEntry*> models;
  for (const auto& choice : choices) {
    if (choice.name != "model") continue;
    for (const auto& value : choice.values) models.push_back(&value);
  }
  if (models.empty()) models.push_back(nullptr);
  for (const auto& choice : choices) {
    const auto applies = [&](const TomlEntry* model) { return has_say(model, choice); };
    if (choice.name != "model" && std::none_of(models.begin(), models.end(), applies)) {
      check_say(models.front(), choice);
    }
  }
  std::vector<SweepRun> runs;
  for (const auto* model : models) add_runs_of(model, choices, runs);
  return runs;
}

void refuse_equal_names(const std::vector<SweepRun>& runs) {
  std::set<std::string> known;
  for (const auto& run : runs) {
    if (known.insert(run.name).second) continue;
    throw TomlError(0, "two runs would both be named " + run.name + "; leave one of their values out");
  }
}

}  // namespace

std::vector<SweepRun> read_sweep(const std::string& file) {
  try {
    const auto entries = entries_of(files::read_text(file, most_config_bytes));
    auto runs = runs_of(choices_of(entries));
    refuse_equal_names(runs);
    if (runs.front().arguments.data.empty()) throw TomlError(0, "lacks data = \"FILE:/PATH\"");
    return runs;
  } catch (const TomlError& error) {
    const auto place = error.line > 0 ? ", line " + std::to_string(error.line) : "";
    throw CLI::ConfigError(file + place + ": " + error.what());
  }
}

}  // namespace msae::cli
