#include "cli/usage.h"

#include <algorithm>
#include <stdexcept>

#include "cli/nearest.h"
#include "core/printable.h"

namespace msae::cli {
namespace {

// Of a word that nothing takes.
std::string about_unknown(const CLI::App& program, const CLI::App* command, const std::string& word) {
  if (word.size() > 1 && word[0] == '-') {
    const auto name = word.substr(0, word.find('='));
    const auto& of = command ? *command : program;
    const auto dashes = std::min(name.find_first_not_of('-'), name.size());
    const auto meant = nearest_option(name.substr(dashes), of, false);
    return "unknown option '" + name + "'" + did_you_mean(meant.empty() ? "" : "--" + meant);
  }
  const auto* data = command ? command->get_option_no_throw("--data") : nullptr;
  const bool lacks_data = data && data->count() == 0;
  if (command)
    return "'" + word + "' is one argument too many" + (lacks_data ? "; did you mean '--data'?" : "");
  if (word == "help" || word == "version")
    return "unknown subcommand '" + word + "'" + did_you_mean("--" + word);
  return "unknown subcommand '" + word + "'" + did_you_mean(nearest(word, subcommand_names(program)));
}

bool is_typed(const CLI::App& command, const char* option) {
  const auto* found = command.get_option_no_throw(option);
  return found && found->count() > 0;
}

// train alone takes DATA as its first argument, or from the run to go on with.
std::string about_missing(const CLI::App& command, const std::string& words) {
  if (is_typed(command, "--resume") && !is_typed(command, "--out")) {
    return "--resume needs --out RUN, the folder of the run to go on with";
  }
  const bool by_name = words.rfind("--data ", 0) == 0 && command.get_name() != "train";
  return by_name ? words + "; it names the embeddings, as in --data clip.h5:/test" : words;
}

// An unknown option first: what follows from it, as a value taken for another argument, need not be told.
std::string sentence(const CLI::App& program, const CLI::App* command, const CLI::ParseError& error) {
  const auto unknown = program.remaining(true);
  for (const auto& word : unknown) {
    if (word.size() > 1 && word[0] == '-') return about_unknown(program, command, word);
  }
  if (!unknown.empty()) return about_unknown(program, command, unknown[0]);
  if (command && dynamic_cast<const CLI::RequiredError*>(&error))
    return about_missing(*command, error.what());
  if (!command) {
    return "a subcommand is missing, one of " + CLI::detail::join(subcommand_names(program), ", ");
  }
  const auto* mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&error);
  std::string words = error.what();
  const auto twice = words.find(": At Most 1 required but received");
  if (mismatch && twice != std::string::npos) return words.substr(0, twice) + " is given more than once";
  return words;
}

}  // namespace

void refuse_empty_values(const CLI::App& program) {
  for (const auto* command : program.get_subcommands()) {
    for (const auto* option : command->get_options()) {
      const auto& values = option->results();
      if (std::none_of(values.begin(), values.end(), [](const auto& value) { return value.empty(); }))
        continue;
      const auto type = option->get_type_name();
      const bool folder = type == "RUN" || type == "FOLDER", file = type == "FILE";
      throw std::invalid_argument(
          (option->get_lnames().empty() ? option->get_name(true) : "--" + option->get_lnames()[0]) +
          (folder ? ": must name a folder"
           : file ? ": must name a file"
                  : ": must not be empty"));
    }
  }
}

std::string usage_error(const CLI::App& program, const CLI::ParseError& error) {
  const auto parsed = program.get_subcommands();
  const auto* command = parsed.empty() ? nullptr : parsed.front();
  const auto call = command ? "msae " + command->get_name() : "msae";
  return "msae: " + printable(sentence(program, command, error)) + "\nRun '" + call +
         " --help' for more information.\n";
}

}  // namespace msae::cli
