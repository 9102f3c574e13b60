#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/concept_run.h"
#include "cli/numbers.h"
#include "cli/results.h"
#include "cli/table.h"
#include "msae/concepts/hierarchy.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/data/synthetic.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct TreeArguments : ConceptArguments {
  std::string truth, csv;
  std::int64_t show = 5, depth = 3;
  concepts::HierarchyOptions options;
};

using Tree = std::vector<concepts::HierarchyNode>;

// Roots with the most latents below them first.
std::vector<std::int64_t> roots_of(const Tree& tree, std::vector<std::int64_t>& below) {
  std::vector<std::int64_t> order(tree.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return tree[static_cast<std::size_t>(a)].depth > tree[static_cast<std::size_t>(b)].depth;
  });
  below.assign(tree.size(), 0);
  std::vector<std::int64_t> roots;
  for (const auto i : order) {
    const auto& node = tree[static_cast<std::size_t>(i)];
    if (node.parent >= 0) {
      below[static_cast<std::size_t>(node.parent)] += 1 + below[static_cast<std::size_t>(i)];
    } else if (!node.children.empty()) {
      roots.push_back(i);
    }
  }
  std::stable_sort(roots.begin(), roots.end(), [&](auto a, auto b) {
    const auto of_a = below[static_cast<std::size_t>(a)], of_b = below[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  });
  return roots;
}

// Children as far down as `depth`.
void print_node(const Tree& tree, std::int64_t latent, const concepts::Names* names, std::int64_t depth) {
  const auto& node = tree[static_cast<std::size_t>(latent)];
  std::cout << std::string(2 * static_cast<std::size_t>(node.depth), ' ') << latent_label(names, latent);
  if (node.parent >= 0) {
    std::cout << "  (" << percent(node.present) << ", " << percent(node.active) << ", x "
              << fixed(node.lift, 1) << ")";
  }
  std::cout << "\n";
  if (node.depth >= depth) return;
  for (const auto child : node.children) print_node(tree, child, names, depth);
}

void print(const TreeArguments& a, const Tree& tree, const concepts::Names* names) {
  std::vector<std::int64_t> below;
  const auto roots = roots_of(tree, below);
  const auto shown = std::min(roots.size(), static_cast<std::size_t>(a.show));
  if (shown > 0) std::cout << "concept  (its parent is there in, active in, times as often as elsewhere)\n\n";
  for (std::size_t i = 0; i < shown; ++i) print_node(tree, roots[i], names, a.depth);
  const auto children =
      std::count_if(tree.begin(), tree.end(), [](const auto& node) { return node.parent >= 0; });
  std::cout << (shown > 0 ? "\n" : "") << children << " latents have a parent, in " << roots.size()
            << " trees"
            << (shown < roots.size() ? ", of which the " + std::to_string(shown) + " largest are shown" : "")
            << "\n";
}

std::string csv_of(const Tree& tree, const concepts::Names* names) {
  std::string text = "latent,name,parent,parent_name,depth,present,active,lift,cosine\n";
  const auto name = [&](std::int64_t latent) {
    return names ? csv_text(names->of[static_cast<std::size_t>(latent)]) : "";
  };
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto& node = tree[i];
    if (node.parent < 0) continue;
    const auto latent = static_cast<std::int64_t>(i);
    text += std::to_string(latent) + ',' + name(latent) + ',' + std::to_string(node.parent) + ',' +
            name(node.parent) + ',' + std::to_string(node.depth) + ',' + fixed(node.present, 4) + ',' +
            fixed(node.active, 4) + ',' + fixed(node.lift, 3) + ',' + fixed(node.cosine, 4) + '\n';
  }
  return text;
}

nlohmann::ordered_json json_of(const Tree& tree, const concepts::Names* names) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto& node = tree[i];
    if (node.parent < 0) continue;
    list.push_back({{"latent", i},
                    {"name", name_or_null(names, static_cast<std::int64_t>(i))},
                    {"parent", node.parent},
                    {"parent_name", name_or_null(names, node.parent)},
                    {"depth", node.depth},
                    {"present", node.present},
                    {"active", node.active},
                    {"lift", node.lift},
                    {"cosine", node.cosine}});
  }
  return list;
}

// Before the work; of no concepts where there is nothing to compare with.
data::SyntheticTruth truth_for(const TreeArguments& a, const models::SparseAutoencoder& model) {
  if (a.truth.empty()) return {};
  auto truth = data::read_truth(a.truth);
  if (truth.dim != model.dim()) {
    throw std::invalid_argument("--truth: " + a.truth + " has dimension " + std::to_string(truth.dim) +
                                " but the model's is " + std::to_string(model.dim()));
  }
  return truth;
}

concepts::HierarchyRecovery hold_against_truth(const TreeArguments& a, const models::SparseAutoencoder& model,
                                               const data::SyntheticTruth& truth, const ConceptData& data,
                                               const Tree& tree) {
  auto dictionary = torch::tensor(truth.dictionary).reshape({truth.concepts(), truth.dim});
  std::vector<bool> in_tree;
  for (const auto& profile : concepts::profiles(data.codes, {.top = 0})) {
    in_tree.push_back(profile.rows >= a.options.fewest_rows);
  }
  return concepts::hierarchy_recovery(model.decoder, tree, in_tree, dictionary, truth.parent);
}

void run(TreeArguments& a) {
  apply(a.common);
  a.options.validate();
  const ResultFile csv{"--csv", a.csv, {"latent,name,parent"}};
  check_target(csv);
  refuse_shared_files({csv, json_target(a.common)}, files_read(a, {a.truth}));
  const auto model = io::load(a.run, resolve_device(a.common.device));
  const auto names = read_concept_names(a, *model);
  const auto* named = names ? &*names : nullptr;
  const auto truth = truth_for(a, *model);
  watch_interrupts();
  const auto data = read_concept_data(a, *model);
  const auto tree = find_hierarchy_with_bar(*model, data.codes, a.options, a.common);
  nlohmann::ordered_json json = {{"run", a.run},
                                 {"data", data.rows->origin()},
                                 {"point", data.point.label()},
                                 {"codes", data.coding.name()}};
  json["edges"] = json_of(tree, named);
  if (shows_table(a.common)) {
    print_codes(std::cout, data.point, data.coding);
    print(a, tree, named);
  }
  if (!a.truth.empty()) {
    const auto recovery = hold_against_truth(a, *model, truth, data, tree);
    json["truth"] = {{"edges", recovery.edges},         {"precision", recovery.precision},
                     {"ancestors", recovery.ancestors}, {"possible", recovery.possible},
                     {"recall", recovery.recall},       {"true_edges", recovery.truth}};
    if (shows_table(a.common)) {
      std::cout << "Of " << recovery.edges << " edges between latents that stand for true concepts, "
                << percent(recovery.precision) << " are true, " << percent(recovery.ancestors)
                << " lead to a true ancestor; of " << recovery.possible
                << " true edges whose concepts both have a latent " << percent(recovery.recall)
                << " were found (all true edges: " << recovery.truth << ")\n";
    }
  }
  write_result(csv, csv_of(tree, named));
  write_json(a.common, json);
}

}  // namespace

void add_tree(CLI::App& program) {
  auto& command = *program.add_subcommand("tree", "Which concepts are special cases of which");
  auto arguments = std::make_shared<TreeArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  add_concept_data(command, a, "Embeddings on which concepts are compared (see 'msae --help')")->required();
  add_whole(command, "--show", a.show, "Trees to print, the largest first", 0)->capture_default_str();
  add_whole(command, "--depth", a.depth, "Below a tree's root to print", 0, 1000)->capture_default_str();
  add_real(command, "--present", a.options.present,
           "Share of a latent's rows in which its parent has to be there")
      ->capture_default_str();
  add_real(command, "--broader", a.options.broader,
           "Times as many rows as the latent that its parent is active on")
      ->capture_default_str();
  add_real(command, "--lift", a.options.lift, "Times as often as elsewhere that the parent has to be there")
      ->capture_default_str();
  add_real(command, "--active", a.options.active,
           "Share of a latent's rows in which its parent has to be active, unless --cosine is reached")
      ->capture_default_str();
  add_real(command, "--cosine", a.options.cosine,
           "Of the two rows of the dictionary, unless --active is reached")
      ->capture_default_str();
  add_real(command, "--least-cosine", a.options.least_cosine, "Of the two rows of the dictionary in any case")
      ->capture_default_str();
  add_whole(command, "--fewest-rows", a.options.fewest_rows, "That a latent has to be active on")
      ->capture_default_str();
  add_whole(command, "--most-rows", a.options.most_rows, "To look at, evenly spaced")->capture_default_str();
  command.add_option("--truth", a.truth, "A file of 'msae synth', whose hierarchy is known, to compare with")
      ->type_name("FILE");
  command.add_option("--csv", a.csv, "A line per latent with a parent")->type_name("FILE");
  add_names(command, a);
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "A parent is *there* in a row where the row's reconstruction goes along its row of the dictionary as "
      "far\n"
      "as in the median of the rows that have the parent among their latents: a special case often takes "
      "the\n"
      "parent's place among the latents, and then has some of its direction. Of all that qualify, the parent "
      "is\n"
      "the one active on the fewest rows.\n"
      "Example:\n  msae tree run --data clip.h5:/test");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
