#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "cli/concept_page.h"
#include "cli/concept_run.h"
#include "cli/evaluate_runs.h"
#include "cli/numbers.h"
#include "cli/results.h"
#include "cli/thumbnail.h"
#include "core/file.h"
#include "core/printable.h"
#include "data/name.h"
#include "msae/concepts/vocabulary.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct ReportArguments : ConceptArguments {
  std::string vocabulary, words, images, out;
  std::int64_t top = 10, pictures = 10'000, picture_size = 96;
  bool without_tree = false;
};

/// A file of numbers with a header, as metrics.csv; what is no number is left out.
std::vector<Curve> training_curves(const std::string& run) {
  std::error_code ignored;
  const auto file = std::filesystem::path(run) / "metrics.csv";
  constexpr std::uint64_t largest = 1 << 28;
  if (!std::filesystem::is_regular_file(file, ignored)) return {};
  std::istringstream lines(files::read_text(file, largest));
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::vector<std::string> cells;
    for (std::string cell; std::getline(fields, cell, ',');) cells.push_back(cell);
    if (names.empty()) {
      names = cells;
      columns.resize(names.size());
      continue;
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      double value = NAN;
      if (i < cells.size()) std::from_chars(cells[i].data(), cells[i].data() + cells[i].size(), value);
      columns[i].push_back(value);
    }
  }
  const auto column = [&](const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? std::vector<double>{} : columns[static_cast<std::size_t>(at - names.begin())];
  };
  const auto steps = column("step");
  std::vector<Curve> curves;
  const auto add = [&](const std::string& name, const std::string& title, bool logarithmic) {
    auto values = column(name);
    if (values.size() == steps.size() && !values.empty()) {
      curves.push_back(
          {.title = title, .x_name = "step", .x = steps, .y = std::move(values), .logarithmic = logarithmic});
    }
  };
  add("loss", "Loss in training", true);
  add("fvu", "FVU in training, as trained", true);
  add("dead", "Latents that no row of the last epoch activated, at the widest level", false);
  return curves;
}

/// What names are taken from.
struct NameSource {
  concepts::Names names = {};
  std::optional<concepts::Vocabulary> vocabulary = {};  // in their place
};

// Before the work.
NameSource read_name_source(const ReportArguments& a, const models::SparseAutoencoder& model) {
  if (a.vocabulary.empty()) return {read_concept_names(a, model).value_or(concepts::Names{}), {}};
  return {{}, read_words(a.vocabulary, a.words, model)};
}

concepts::Names names_for(NameSource& source, const models::SparseAutoencoder& model,
                          const std::vector<concepts::LatentProfile>& profiles) {
  if (!source.vocabulary) return std::move(source.names);
  const auto& vocabulary = *source.vocabulary;
  return concepts::names_of(concepts::name_latents(model.decoder, vocabulary, {}, active_latents(profiles)),
                            vocabulary);
}

// Those of the surest names first, then of the most frequent latents: where not all have a place.
std::vector<std::size_t> by_interest(const ConceptPage& page) {
  std::vector<std::size_t> order(page.profiles.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto sureness = [&](std::size_t i) {
    return page.names.of.empty() || page.names.of[i].empty() ? 0.0 : page.names.cosine[i];
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return sureness(a) != sureness(b) ? sureness(a) > sureness(b)
                                      : page.profiles[a].rows > page.profiles[b].rows;
  });
  return order;
}

void add_pictures(ConceptPage& page, const ReportArguments& a, const Pictures& pictures) {
  std::int64_t embedded = 0, unread = 0, left_out = 0;
  std::string first_unread;
  std::set<std::int64_t> seen;
  ProgressBar bar(!a.common.quiet);
  const auto order = by_interest(page);
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (interrupted()) throw Error("interrupted while reading pictures; nothing was written");
    if (k % 64 == 0)
      bar.update(static_cast<double>(k) / static_cast<double>(order.size()), "reading pictures");
    for (const auto& top : page.profiles[order[k]].top) {
      if (!seen.insert(top.row).second) continue;
      const auto& picture = pictures.of[static_cast<std::size_t>(top.row)];
      if (is_address(picture)) {
        page.images[top.row] = picture;
      } else if (embedded >= a.pictures) {
        ++left_out;
      } else if (auto small = thumbnail(picture, static_cast<int>(a.picture_size))) {
        page.images[top.row] = std::move(*small);
        ++embedded;
      } else if (unread++ == 0) {
        first_unread = picture;
      }
    }
  }
  bar.clear();
  if (unread > 0) {
    say(a.common, "msae: " + std::to_string(unread) + (unread == 1 ? " picture" : " pictures") +
                      " cannot be read, the first is " + printable(first_unread));
  }
  if (left_out > 0) {
    say(a.common, "msae: " + std::to_string(left_out) + " more pictures than --pictures allows are left out");
  }
}

ConceptPage page_of(const ReportArguments& a, models::SparseAutoencoder& model, NameSource names,
                    const ConceptData& data) {
  constexpr std::int64_t companions = 8;
  Pictures pictures;
  if (!a.images.empty()) pictures = find_pictures(a.images, data.rows->original_rows());
  ConceptPage page{.run = a.run,
                   .point = data.point.label(),
                   .codes = data.coding.name(),
                   .report = {},
                   .curves = training_curves(a.run)};
  const eval::EvalOptions options{.k = usual_ks(model, data.coding), .coding = data.coding};
  page.report = {a.run, evaluate_with_bar(model, *data.rows, options, a.common)};
  page.profiles = concepts::profiles(data.codes, {.top = a.top, .companions = companions});
  page.names = names_for(names, model, page.profiles);
  for (const auto& profile : page.profiles)
    page.levels.push_back(concepts::level_of(model, profile.rank) + 1);
  page.tree.resize(page.profiles.size());
  if (!a.without_tree) page.tree = find_hierarchy_with_bar(model, data.codes, {}, a.common);
  for (auto& profile : page.profiles) {
    for (auto& top : profile.top) {
      if (!data.labels.empty()) page.labels[data.number_of(top.row)] = printable(data.label_of(top.row));
      top.row = data.number_of(top.row);
    }
  }
  if (!a.images.empty()) add_pictures(page, a, pictures);
  return page;
}

void run(ReportArguments& a) {
  apply(a.common);
  const auto out = html_file("--out", a.out);
  check_target(out);
  refuse_shared_files({out, json_target(a.common)}, files_read(a, {a.vocabulary, a.words, a.images}));
  const auto model = io::load(a.run, resolve_device(a.common.device));
  auto names = read_name_source(a, *model);
  watch_interrupts();
  const auto data = read_concept_data(a, *model);
  const auto page = page_of(a, *model, std::move(names), data);
  const auto text = to_page(page);
  write_result(out, text);
  const auto alive = std::count_if(page.profiles.begin(), page.profiles.end(),
                                   [](const auto& profile) { return profile.rows > 0; });
  const auto named = count_named(page);
  const auto children =
      std::count_if(page.tree.begin(), page.tree.end(), [](const auto& node) { return node.parent >= 0; });
  if (shows_table(a.common)) {
    print_codes(std::cout, data.point, data.coding);
    std::cout << a.out << ": " << alive << " active latents of " << model->latents() << ", " << named
              << " named, " << children << " with a parent, " << page.images.size() << " pictures; "
              << text.size() / 1000 << " kB, for a web browser\n";
  }
  write_json(a.common, {{"file", a.out},
                        {"run", a.run},
                        {"data", data.rows->origin()},
                        {"point", page.point},
                        {"codes", page.codes},
                        {"active", alive},
                        {"named", named},
                        {"with_parent", children},
                        {"pictures", page.images.size()},
                        {"bytes", text.size()}});
}

}  // namespace

void add_report(CLI::App& program) {
  auto& command =
      *program.add_subcommand("report", "A web page to look at a run: curves, frontier, its concepts");
  auto arguments = std::make_shared<ReportArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  add_concept_data(command, a, "Embeddings to show the run on (see 'msae --help')")->required();
  command.add_option("--out", a.out, "The page: one file that needs no other, nor a network")
      ->type_name("FILE")
      ->required();
  auto* vocabulary =
      command.add_option("--vocab", a.vocabulary, "Embeddings of words, to name the latents here and now")
          ->type_name("DATA");
  command
      .add_option("--words", a.words, "The words, as 'msae name' takes them [/words beside the embeddings]")
      ->type_name("FILE")
      ->needs(vocabulary);
  command
      .add_option(
          "--images", a.images,
          "Pictures of the rows: a folder with one for every row of DATA, in the order of their names;\n"
          "or a text file with a file or an address (https://...) a line. Files become part of the\n"
          "page, made small; addresses need a network to be seen")
      ->type_name("FOLDER");
  add_whole(command, "--pictures", a.pictures, "Become part of the page, at most", 0, 1'000'000)
      ->capture_default_str();
  add_whole(command, "--picture-size", a.picture_size, "Pixels of a picture's longer side", 8, 1024)
      ->capture_default_str();
  add_whole(command, "--top", a.top, "Rows to show of each latent", 1, 100)->capture_default_str();
  command.add_flag("--without-tree", a.without_tree, "Look for no hierarchy, which takes longest");
  add_names(command, a);
  vocabulary->excludes(command.get_option("--names"));
  add_labels(command, a);
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "Names are those that 'msae name' gave, unless --vocab names anew. The frontier is evaluated on DATA "
      "also\n"
      "with --encoded, by the same codes: refit and pursuit of many rows take minutes to an hour.\n"
      "Examples:\n"
      "  msae report run --data clip.h5:/test --out report.html --vocab words.h5:/embeddings\n"
      "  msae report run --data clip.h5:/test --out report.html --images photos/ --labels clip.h5:/label");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
