// `msae completion SHELL`: a script that completes what the program itself says it takes.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "cli/command.h"
#include "cli/nearest.h"

namespace msae::cli {
namespace {

// Words that an option takes, "relu topk": CLI11 tells those of a closed list as "NAME:{relu,topk}"; of
// others, "auto|K,K,...", those that are words.
std::string choices(const CLI::Option& option) {
  const auto type = option.get_type_name();
  const auto open = type.find('{'), close = type.find('}');
  const bool closed = open != std::string::npos && close != std::string::npos;
  auto words =
      CLI::detail::split(closed ? type.substr(open + 1, close - open - 1) : type, closed ? ',' : '|');
  if (!closed && words.size() < 2) return {};
  words.erase(std::remove_if(words.begin(), words.end(),
                             [](const std::string& word) {
                               return word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-0123456789") !=
                                      std::string::npos;
                             }),
              words.end());
  return CLI::detail::join(words, " ");
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

// What bash has split at '=' and ':' is put together again first; zsh leaves file.h5:/path one word.
constexpr const char* bash_begin = R"(_msae() {
  local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= known= file= prefix= word
  if [ "$typed" = = ]; then typed=; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  if [ "$typed" = : ]; then file=$before typed=
  elif [ "$before" = : ]; then file=${COMP_WORDS[COMP_CWORD-2]}
  else case $typed in ?*:*) file=${typed%%:*} prefix=$file: typed=${typed#*:} ;; esac; fi
  if [ -f "$file" ]; then
    known=$("${COMP_WORDS[0]}" info "$file" 2>/dev/null | sed -n 's,^\(/[^ ]*\) .*,\1,p')
  fi
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case $word in )";

constexpr const char* bash_end = R"(
  COMPREPLY=($(compgen -P "$prefix" -W "$known" -- "$typed"))
}
complete -o default -F _msae msae
)";

std::string bash(const CLI::App& program) {
  const auto names = subcommand_names(program);
  std::ostringstream text;
  text << bash_begin << CLI::detail::join(names, "|") << ") command=$word; break ;; esac\n  done\n"
       << "  case $command,$before in\n";
  for (const auto& name : names) text << bash_choices(*program.get_subcommand(name));
  text << "  esac\n  if [ -z \"$known\" ]; then case $command,$typed in\n    ,-*) known='"
       << long_names(program) << "' ;;\n    ,*) [ \"$before\" = --config ] || known='"
       << CLI::detail::join(names, " ") << "' ;;\n";
  for (const auto& name : names) {
    text << "    " << name << ",-*) known='" << long_names(*program.get_subcommand(name)) << "' ;;\n";
  }
  text << "  esac; fi" << bash_end;
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
