// `msae completion SHELL`: a script that completes what the program itself says it takes.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "cli/command.h"
#include "cli/nearest.h"

namespace msae::cli {
namespace {

// Of an option that takes one of a few, "relu topk"; CLI11 tells them as "NAME:{relu,topk}".
std::string choices(const CLI::Option& option) {
  const auto type = option.get_type_name();
  const auto open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  auto list = type.substr(open + 1, close - open - 1);
  std::replace(list.begin(), list.end(), ',', ' ');
  return list;
}

std::vector<const CLI::Option*> options(const CLI::App& command) {
  return command.get_options([](const CLI::Option* option) {
    return !option->get_lnames().empty() && !option->get_group().empty();
  });
}

std::string long_names(const CLI::App& command) {
  std::string names;
  for (const auto* option : options(command)) names += " --" + option->get_lnames()[0];
  return names.substr(1);
}

// What may follow the word before.
std::string bash_choices(const CLI::App& command) {
  std::ostringstream text;
  for (const auto* option : command.get_options()) {
    const auto list = choices(*option);
    if (list.empty()) continue;
    const auto before = option->get_positional() ? command.get_name() : "--" + plain_name(*option);
    text << "    " << command.get_name() << "," << before << ") known='" << list << "' ;;\n";
  }
  return text.str();
}

std::string bash(const CLI::App& program) {
  const auto names = subcommand_names(program);
  std::ostringstream text;
  text << "_msae() {\n"
          "  local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= known= word\n"
          "  if [ \"$typed\" = = ]; then typed=; elif [ \"$before\" = = ]; then "
          "before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
          "    case $word in "
       << CLI::detail::join(names, "|") << ") command=$word; break ;; esac\n  done\n"
       << "  case $command,$before in\n";
  for (const auto& name : names) text << bash_choices(*program.get_subcommand(name));
  text << "  esac\n  if [ -z \"$known\" ]; then case $command,$typed in\n    ,-*) known='"
       << long_names(program) << "' ;;\n    ,*) known='" << CLI::detail::join(names, " ") << "' ;;\n";
  for (const auto& name : names) {
    text << "    " << name << ",-*) known='" << long_names(*program.get_subcommand(name)) << "' ;;\n";
  }
  text << "  esac; fi\n"
          "  COMPREPLY=($(compgen -W \"$known\" -- \"$typed\"))\n"
          "}\n"
          "complete -o default -F _msae msae\n";
  return text.str();
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char letter : text) {
    if (letter == '\'' || letter == '\\') result += '\\';
    result += letter == '\n' ? ' ' : letter;
  }
  return result + "'";
}

std::string fish(const CLI::App& program) {
  std::ostringstream text;
  for (const auto& name : subcommand_names(program)) {
    const auto& command = *program.get_subcommand(name);
    text << "complete -c msae -n __fish_use_subcommand -f -a " << name << " -d "
         << quoted(command.get_description()) << "\n";
    const auto when = "complete -c msae -n '__fish_seen_subcommand_from " + name + "'";
    for (const auto* option : command.get_options()) {
      const auto list = choices(*option);
      const bool is_long = !option->get_lnames().empty();
      if (option->get_group().empty() || (!is_long && list.empty())) continue;
      text << when << (is_long ? " -l " + option->get_lnames()[0] : " -f");
      if (!list.empty())
        text << (is_long ? " -x" : "") << " -a '" << list << "'";
      else if (!is_flag(*option))
        text << " -r";
      text << " -d " << quoted(option->get_description()) << "\n";
    }
  }
  return text.str();
}

void print(const CLI::App& program, const std::string& shell) {
  if (shell == "zsh") {
    std::cout << "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n";
  }
  std::cout << (shell == "fish" ? fish(program) : bash(program));
}

}  // namespace

void add_completion(CLI::App& program) {
  auto& command = *program.add_subcommand("completion", "Print a script that completes commands in a shell");
  auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "The shell to complete in")
      ->type_name("NAME")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();
  command.footer(
      "Examples, for the file that the shell reads as it starts:\n"
      "  source <(msae completion bash)        # ~/.bashrc\n"
      "  source <(msae completion zsh)         # ~/.zshrc\n"
      "  msae completion fish | source         # ~/.config/fish/config.fish");
  command.callback([shell, &program] { print(program, *shell); });
}

}  // namespace msae::cli
