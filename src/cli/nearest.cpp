#include "cli/nearest.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace msae::cli {
namespace {

// What other programs call options of ours.
constexpr std::array<std::pair<const char*, const char*>, 8> synonyms{{{"learning-rate", "lr"},
                                                                       {"output", "out"},
                                                                       {"hidden", "latents"},
                                                                       {"dict-size", "latents"},
                                                                       {"dictionary-size", "latents"},
                                                                       {"topk", "k"},
                                                                       {"input", "data"},
                                                                       {"iterations", "steps"}}};

// Letters to add, drop, change or swap with their neighbour.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t differs = a[i - 1] != b[j - 1];
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t longest = 40;  // of a word that can be a slip of the fingers
  if (word.size() > longest) return {};
  std::string best;
  auto least = word.size() < 3 ? 1 : std::max<std::size_t>(1, word.size() / 3) + 1;  // one letter in three
  for (const auto& name : known) {
    const bool is_beginning = word.size() >= 3 && name.rfind(word, 0) == 0;
    const auto cost = is_beginning ? 1 : distance(word, name);
    if (cost >= least) continue;
    best = name;
    least = cost;
  }
  return best;
}

std::string did_you_mean(const std::string& name) {
  return name.empty() ? "" : "; did you mean '" + name + "'?";
}

std::vector<std::string> subcommand_names(const CLI::App& program) {
  std::vector<std::string> names;
  for (const auto* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

std::string plain_name(const CLI::Option& option) {
  if (!option.get_lnames().empty()) return option.get_lnames()[0];
  return in_lower_case(option.get_name(true));
}

bool is_flag(const CLI::Option& option) {
  return option.get_items_expected_max() == 0;
}

std::string nearest_option(const std::string& word, const CLI::App& command, bool configurable_only) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options()) {
    const bool fits = configurable_only ? option->get_configurable() : !option->get_lnames().empty();
    if (fits && !option->get_group().empty()) names.push_back(plain_name(*option));
  }
  auto plain = in_lower_case(word);
  std::replace(plain.begin(), plain.end(), '_', '-');
  for (const auto& [theirs, ours] : synonyms) {
    if (plain == theirs && std::find(names.begin(), names.end(), ours) != names.end()) return ours;
  }
  return nearest(plain, names);
}

}  // namespace msae::cli
