#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "cli/concept_run.h"
#include "cli/numbers.h"
#include "cli/results.h"
#include "cli/table.h"
#include "core/printable.h"
#include "data/name.h"
#include "io/model_rows.h"
#include "msae/concepts/naming.h"
#include "msae/concepts/vocabulary.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

constexpr const char* csv_header = "latent,name,cosine,margin,level,rank,active_fraction,words\n";

struct NameArguments : ConceptArguments {
  std::string vocabulary, words, out, csv;
  concepts::NamingOptions options;
  std::int64_t show = 40;
};

/// All that is known of the latents.
struct Named {
  std::shared_ptr<models::SparseAutoencoder> model;
  concepts::Vocabulary vocabulary;
  concepts::Naming naming;
  concepts::Names names;
  std::vector<concepts::LatentProfile> profiles;  // empty without data
};

std::string word_of(const Named& named, const concepts::LatentName& name) {
  return name.word ? named.vocabulary.words[static_cast<std::size_t>(*name.word)] : "";
}

// Of models with levels, from 1.
std::string level_text(const Named& named, std::size_t latent) {
  if (named.profiles.empty()) return "";
  const auto level = concepts::level_of(*named.model, named.profiles[latent].rank);
  return level < 0 ? "" : std::to_string(level + 1);
}

std::string number(double value) {
  std::ostringstream text;
  text.precision(6);
  text << value;
  return text.str();
}

std::string csv_of(const Named& named) {
  std::string text = csv_header;
  for (std::size_t i = 0; i < named.naming.latents.size(); ++i) {
    const auto& latent = named.naming.latents[i];
    std::string words;
    for (const auto& word : named.names.words[i]) words += (words.empty() ? "" : "; ") + word;
    const auto* profile = named.profiles.empty() ? nullptr : &named.profiles[i];
    text += std::to_string(i) + ',' + (latent.word ? csv_text(word_of(named, latent)) : "") + ',' +
            number(latent.cosine) + ',' + number(latent.margin) + ',' + level_text(named, i) + ',' +
            (profile ? number(profile->rank) : "") + ',' + (profile ? number(profile->frequency) : "") + ',' +
            csv_text(words) + '\n';
  }
  return text;
}

nlohmann::ordered_json json_of(const Named& named) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < named.naming.latents.size(); ++i) {
    const auto& latent = named.naming.latents[i];
    auto words = nlohmann::ordered_json::array();
    for (std::size_t k = 0; k < latent.best.size(); ++k) {
      words.push_back({named.names.words[i][k], latent.best[k].cosine});
    }
    nlohmann::ordered_json entry = {{"latent", i}};
    entry["name"] = latent.word ? nlohmann::ordered_json(word_of(named, latent)) : nullptr;
    entry["cosine"] = latent.cosine;
    entry["margin"] = latent.margin;
    entry["active_fraction"] = nullptr;
    if (!named.profiles.empty()) {
      entry["active_fraction"] = named.profiles[i].frequency;
      entry["rank"] = named.profiles[i].rank;
      const auto level = concepts::level_of(*named.model, named.profiles[i].rank);
      if (level >= 0) entry["level"] = level + 1;
    }
    entry["words"] = std::move(words);
    list.push_back(std::move(entry));
  }
  return list;
}

// Named ones first, the surest in front.
void print_table(const Named& named, std::int64_t most) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < named.naming.latents.size(); ++i) {
    if (named.naming.latents[i].word) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return named.naming.latents[a].cosine > named.naming.latents[b].cosine;
  });
  order.resize(std::min(order.size(), static_cast<std::size_t>(most)));
  std::vector<std::string> header{"name", "latent", "cosine", "margin"};
  const bool has_levels = !named.profiles.empty() && named.model->level_count() > 1;
  if (has_levels) header.push_back("level");
  if (!named.profiles.empty()) header.push_back("active");
  header.push_back("next words");
  Table table(header);
  for (const auto i : order) {
    const auto& latent = named.naming.latents[i];
    std::vector<std::string> cells{printable(word_of(named, latent)), std::to_string(i),
                                   fixed(latent.cosine, 3), fixed(latent.margin, 3)};
    if (has_levels) cells.push_back(level_text(named, i));
    if (!named.profiles.empty()) cells.push_back(percent(named.profiles[i].frequency));
    std::string next;
    for (std::size_t k = 0; k < std::min<std::size_t>(3, latent.best.size()); ++k) {
      if (latent.word && latent.best[k].word == *latent.word) continue;
      next += (next.empty() ? "" : ", ") + printable(named.names.words[i][k]);
    }
    cells.push_back(next);
    table.add(std::move(cells));
  }
  if (!order.empty()) table.print(std::cout);
}

void print(const Named& named, const NameArguments& a) {
  print_table(named, a.show);
  const auto& n = named.naming;
  const auto of_candidates = [&](std::int64_t count) {
    return std::to_string(count) + " (" +
           percent(n.candidates == 0 ? 0 : static_cast<double>(count) / static_cast<double>(n.candidates)) +
           ")";
  };
  std::cout << (n.named > 0 && a.show > 0 ? "\n" : "") << "named: " << of_candidates(n.named) << " of "
            << n.candidates << (named.profiles.empty() ? " latents" : " latents that are active on the data")
            << ", by a cosine of at least " << fixed(n.threshold, 3)
            << "\nBy the same rule: of as many random rows " << of_candidates(n.random_named)
            << ", of these latents with shuffled words " << of_candidates(n.shuffled_named) << "\n";
}

void run(NameArguments& a) {
  apply(a.common);
  coding_of(a.coding);
  a.options.seed = a.common.seed;
  a.options.validate();
  if (a.out.empty()) a.out = usual_names_file(a.run);
  const auto device = resolve_device(a.common.device);
  if (a.out.empty() && !std::filesystem::exists(a.run))
    io::load(a.run, device);  // which says that it is not there
  if (a.out.empty())
    throw std::invalid_argument("--out: RUN is a file, so a name for the file of names is needed");
  const ResultFile csv{"--csv", a.csv, {"latent,name,"}}, out{"--out", a.out, {"{"}};
  check_target(csv);
  check_target(out);
  refuse_shared_files({out, csv, json_target(a.common)},
                      {a.run, a.encoded, data::split_name(a.data).file, data::split_name(a.vocabulary).file,
                       data::split_name(words_file(a.vocabulary, a.words)).file});
  Named named{.model = io::load(a.run, device), .vocabulary = {}, .naming = {}, .names = {}, .profiles = {}};
  named.vocabulary = read_words(a.vocabulary, a.words, *named.model);
  if (named.vocabulary.repeated > 0) {
    say(a.common, "msae: " + std::to_string(named.vocabulary.repeated) +
                      (named.vocabulary.repeated == 1 ? " row has" : " rows have") +
                      " the word of an earlier one; such a word is the mean of its embeddings");
  }
  torch::Tensor active;
  std::optional<ConceptData> data;
  if (!a.data.empty()) {
    watch_interrupts();
    data = read_concept_data(a, *named.model);
    named.profiles = concepts::profiles(data->codes, {.top = 0});
    active = active_latents(named.profiles);
  }
  named.naming = concepts::name_latents(named.model->decoder, named.vocabulary, a.options, active);
  if (interrupted()) throw Error("interrupted while naming; nothing was written");
  named.names = concepts::names_of(named.naming, named.vocabulary);
  concepts::write_names(a.out, *named.model, named.names);
  write_result(csv, csv_of(named));
  if (shows_table(a.common)) {
    if (data) print_codes(std::cout, data->point, data->coding);
    print(named, a);
  }
  write_json(a.common, json_of(named));
  const bool usual = a.out == usual_names_file(a.run);
  say(a.common, "The names are in " + a.out +
                    (usual ? ", where search, steer, bias, tree and report find them"
                           : "; search, steer, bias, tree and report take them by --names"));
}

}  // namespace

void add_name(CLI::App& program) {
  auto& command = *program.add_subcommand("name", "Name the latents of a run by the words nearest to them");
  auto arguments = std::make_shared<NameArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  command.add_option("--vocab", a.vocabulary, "Embeddings of words, one a row (see DATA in 'msae --help')")
      ->type_name("DATA")
      ->required();
  command
      .add_option("--words", a.words,
                  "The words: file.h5:/path, or a text file with a line for every row [/words beside\n"
                  "the embeddings]")
      ->type_name("FILE");
  auto* data = add_concept_data(
      command, a, "Embeddings: latents that are active on none of them get no name, and levels are shown");
  for (const auto* name : {"--encoded", "--k", "--level", "--all", "--codes", "--candidates", "--unit-rows",
                           "--skip-bad-rows", "--holdout"}) {
    command.get_option(name)->needs(data);
  }
  add_real(command, "--chance", a.options.chance,
           "Share of random rows that would get a name, at most; also of latents against shuffled\nwords")
      ->capture_default_str();
  command.add_flag("--unique", a.options.unique, "No word names two latents (Hungarian method)");
  add_whole(command, "--best", a.options.words, "Words that are told of each latent", 1)
      ->capture_default_str();
  add_whole(command, "--show", a.show, "Named latents in the table, the surest first", 0)
      ->capture_default_str();
  command.add_option("--out", a.out, "File of names for the other subcommands [RUN/names.json]")
      ->type_name("FILE");
  command.add_option("--csv", a.csv, "A line per latent: latent, name, cosine, margin, level, ...")
      ->type_name("FILE");
  add_device(command, a.common);
  add_seed(command, a.common, "random rows and shuffles, by which the rule is calibrated");
  add_common(command, a.common);
  command.footer(
      "cosine: of a latent's row of the dictionary and a word's embedding minus the mean of all words.\n"
      "margin: over the best other word; below 0 where --unique gave that to another latent.\n"
      "level: the first at which half of the rows that have the latent have it, coarse concepts first.\n"
      "A name needs a cosine that at most the share --chance of random rows, and of the latents against\n"
      "words whose coordinates are shuffled, would reach.\n"
      "Example:\n  msae name run --vocab words.h5:/embeddings --words words.h5:/words --data clip.h5:/test");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
