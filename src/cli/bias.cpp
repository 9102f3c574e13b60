#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/bias_page.h"
#include "cli/concept_run.h"
#include "cli/numbers.h"
#include "cli/results.h"
#include "cli/table.h"
#include "core/printable.h"
#include "msae/concepts/attribute.h"
#include "msae/concepts/bias.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct BiasArguments : ConceptArguments {
  std::string attribute, name, attribute_names, out, csv;
  std::int64_t top = 10;
  concepts::GroupOptions groups;
  concepts::DependenceOptions dependence;
};

torch::Tensor read_all_rows(data::EmbeddingSource& source) {
  require_memory(saturating_product(static_cast<std::uint64_t>(source.rows()),
                                    static_cast<std::uint64_t>(source.dim()) * 6 * sizeof(double)),
                 "a classifier of all rows of " + source.name());
  auto rows = torch::empty({source.rows(), source.dim()}, torch::kFloat32);
  source.read(0, source.rows(), {rows.mutable_data_ptr<float>(), static_cast<std::size_t>(rows.numel())});
  return rows;
}

// The attribute's values of the rows that are there.
std::vector<std::uint8_t> values_of(const BiasArguments& a, const concepts::Attribute& attribute,
                                    const data::EmbeddingSource& rows) {
  if (static_cast<std::int64_t>(attribute.value.size()) != rows.original_rows()) {
    throw IoError("--attribute: " + a.attribute + " holds " + std::to_string(attribute.value.size()) +
                  " rows, but " + a.data + " has " + std::to_string(rows.original_rows()));
  }
  std::vector<std::uint8_t> values;
  values.reserve(static_cast<std::size_t>(rows.rows()));
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    values.push_back(attribute.value[static_cast<std::size_t>(rows.original_row(i))]);
  }
  return values;
}

void require_rows_for_folds(const std::vector<std::uint8_t>& values, std::int64_t folds) {
  const auto with = std::count(values.begin(), values.end(), 1);
  const auto without = static_cast<std::int64_t>(values.size()) - with;
  if (with == 0 || without == 0 || std::min<std::int64_t>(with, without) >= folds) return;
  throw std::invalid_argument("folds: a group has fewer rows than there are folds, " + std::to_string(folds));
}

// What latents add to raw rows, in units of decoder / scale: models that take each row's deviation away give
// it back.
concepts::Codes added_to_rows(const models::SparseAutoencoder& model, const concepts::Codes& codes,
                              const torch::Tensor& rows) {
  if (!model.options().normalise_rows) return codes;
  const torch::NoGradGuard no_grad;
  const auto normalised = model.normalise(rows.to(model.decoder.device(), model.decoder.scalar_type()));
  const auto one = torch::ones({1}, normalised.options()).expand_as(normalised);
  const auto deviations = (model.restore_rows(one, normalised) - model.restore_rows(one * 0, normalised))
                              .select(1, 0)
                              .to(torch::kCPU, torch::kFloat32)
                              .contiguous();
  auto scaled = codes;
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto factor = deviations.const_data_ptr<float>()[row];
    for (auto i = codes.begin[static_cast<std::size_t>(row)];
         i < codes.begin[static_cast<std::size_t>(row) + 1]; ++i) {
      scaled.value[static_cast<std::size_t>(i)] *= factor;
    }
  }
  return scaled;
}

// Those most apart from 0.5 first.
std::vector<concepts::GroupDifference> by_distance(std::vector<concepts::GroupDifference> found) {
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    if ((a.rows == 0) != (b.rows == 0)) return b.rows == 0;
    return std::abs(a.auc - 0.5) > std::abs(b.auc - 0.5);
  });
  return found;
}

nlohmann::ordered_json json_of(const BiasRow& row) {
  const auto& d = row.difference;
  return {{"latent", d.latent},
          {"name", row.named ? nlohmann::ordered_json(row.name) : nullptr},
          {"rows", d.rows},
          {"active_with", d.active_with},
          {"active_without", d.active_without},
          {"mean_with", d.mean_with},
          {"mean_without", d.mean_without},
          {"effect", d.effect},
          {"auc", d.auc},
          {"auc_low", d.auc_low},
          {"auc_high", d.auc_high},
          {"p", d.p},
          {"q", d.q},
          {"auc_without", row.auc_without}};
}

std::string csv_of(const std::vector<BiasRow>& rows) {
  std::ostringstream text;
  text.precision(8);
  text
      << "latent,name,rows,active_with,active_without,mean_with,mean_without,effect,auc,auc_low,auc_high,p,q,"
         "auc_without\n";
  for (const auto& row : rows) {
    const auto& d = row.difference;
    text << d.latent << ',' << csv_text(row.named ? row.name : "") << ',' << d.rows << ',' << d.active_with
         << ',' << d.active_without << ',' << d.mean_with << ',' << d.mean_without << ',' << d.effect << ','
         << d.auc << ',' << d.auc_low << ',' << d.auc_high << ',' << d.p << ',' << d.q << ','
         << row.auc_without << '\n';
  }
  return text.str();
}

void print(const BiasReport& report) {
  Table table(bias_header());
  for (const auto& row : report.rows) table.add(bias_cells(row));
  table.print(std::cout);
  std::cout << "\n"
            << printable(report.attribute.empty() ? "the attribute" : report.attribute) << ": " << report.with
            << " rows with it, " << report.without << " without; " << report.significant << " of "
            << report.compared << " active latents differ (q below 0.05)\n"
            << "Linear classifier, AUC: " << fixed(report.dependence.auc, 4) << "; on rows without these "
            << report.removed << " concepts " << fixed(report.dependence.steered, 4)
            << ", fitted anew without them " << fixed(report.dependence.retrained, 4) << "\n";
}

void run(BiasArguments& a) {
  apply(a.common);
  a.groups.seed = a.dependence.seed = a.common.seed;
  a.groups.validate();
  a.dependence.validate();
  const auto page = html_file("--out", a.out);
  const ResultFile csv{"--csv", a.csv, {"latent,name,rows"}};
  check_target(page);
  check_target(csv);
  refuse_shared_files({page, csv, json_target(a.common)}, files_read(a, {a.attribute, a.attribute_names}));
  const auto attribute = concepts::read_attribute(a.attribute, a.name, a.attribute_names);
  const auto model = io::load(a.run, resolve_device(a.common.device));
  const auto names = read_concept_names(a, *model);
  watch_interrupts();
  const auto data = read_concept_data(a, *model);
  const auto values = values_of(a, attribute, *data.rows);
  require_rows_for_folds(values, a.dependence.folds);
  const auto rows = read_all_rows(*data.rows);
  ProgressBar bar(!a.common.quiet);
  const auto found = by_distance(concepts::compare_groups(data.codes, values, a.groups, [&](double share) {
    if (interrupted()) throw Error("interrupted while comparing the groups; nothing was written");
    if (share > 0) bar.update(share, "comparing the groups");
  }));

  BiasReport report{.run = a.run,
                    .data = data.rows->origin(),
                    .attribute = attribute.name,
                    .point = data.point.label(),
                    .codes = data.coding.name(),
                    .with = std::count(values.begin(), values.end(), 1),
                    .without = std::count(values.begin(), values.end(), 0),
                    .confidence = a.groups.confidence,
                    .rows = {},
                    .dependence = {}};
  std::vector<std::int64_t> removed;
  for (const auto& difference : found) {
    if (difference.rows == 0) continue;
    ++report.compared;
    report.significant += difference.q < 0.05 ? 1 : 0;
    if (static_cast<std::int64_t>(removed.size()) < a.top) removed.push_back(difference.latent);
  }
  report.removed = static_cast<std::int64_t>(removed.size());
  const auto atoms = model->decoder.detach().to(torch::kCPU, torch::kFloat64) /
                     model->scale.to(torch::kCPU, torch::kFloat64);
  report.dependence = concepts::attribute_dependence(
      rows, added_to_rows(*model, data.codes, rows), atoms, values, removed, a.dependence, [&](double share) {
        if (interrupted()) throw Error("interrupted while fitting classifiers; nothing was written");
        if (share < 1) bar.update(share, "fitting classifiers");
      });
  bar.clear();
  std::vector<BiasRow> all;
  all.reserve(found.size());
  for (const auto& difference : found) {
    const auto* known = names ? &*names : nullptr;
    all.push_back({latent_name(known, difference.latent), !name_or_null(known, difference.latent).is_null(),
                   difference, report.dependence.without[static_cast<std::size_t>(difference.latent)]});
  }
  report.rows.assign(all.begin(), all.begin() + report.removed);

  if (shows_table(a.common)) {
    print_codes(std::cout, data.point, data.coding);
    print(report);
  }
  write_result(page, to_page(report));
  write_result(csv, csv_of(all));
  nlohmann::ordered_json json = {{"run", a.run},
                                 {"data", report.data},
                                 {"attribute", printable(report.attribute)},
                                 {"point", report.point},
                                 {"codes", report.codes},
                                 {"with", report.with},
                                 {"without", report.without},
                                 {"compared", report.compared},
                                 {"significant", report.significant},
                                 {"classifier",
                                  {{"auc", report.dependence.auc},
                                   {"removed", removed},
                                   {"auc_steered", report.dependence.steered},
                                   {"auc_retrained", report.dependence.retrained}}}};
  json["latents"] = nlohmann::ordered_json::array();
  for (const auto& row : report.rows) json["latents"].push_back(json_of(row));
  write_json(a.common, json);
  if (!a.out.empty()) say(a.common, "The plot is in " + a.out + ", for a web browser");
}

}  // namespace

void add_bias(CLI::App& program) {
  auto& command = *program.add_subcommand("bias", "Which concepts differ between two groups of rows");
  auto arguments = std::make_shared<BiasArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  add_concept_data(command, a, "Embeddings (see 'msae --help')")->required();
  command
      .add_option(
          "--attribute", a.attribute,
          "What divides the rows, 0 or 1: integers file.h5:/path, [rows] or [rows, attributes], or a\n"
          "text file with a line for every row of DATA")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--name", a.name,
                  "Which attribute, by its name or its number from 0, where there are several")
      ->type_name("NAME");
  command
      .add_option("--attribute-names", a.attribute_names,
                  "Their names: file.h5:/path, or a text file [/attribute_names beside the attributes]")
      ->type_name("FILE");
  add_whole(command, "--top", a.top, "Concepts to show, and to remove together: those most apart", 1, 10'000)
      ->capture_default_str();
  add_whole(command, "--resamples", a.groups.resamples, "Of the bootstrap that intervals are made by", 1,
            100'000)
      ->capture_default_str();
  add_real(command, "--confidence", a.groups.confidence, "Of the intervals")->capture_default_str();
  add_whole(command, "--folds", a.dependence.folds,
            "The classifier scores each row by what it learnt from the others")
      ->capture_default_str();
  add_real(command, "--l2", a.dependence.l2, "Penalty on the classifier's weights")->capture_default_str();
  command.add_option("--out", a.out, "A web page with a plot and the table")->type_name("FILE");
  command.add_option("--csv", a.csv, "A line per latent")->type_name("FILE");
  add_names(command, a);
  add_device(command, a.common);
  add_seed(command, a.common, "bootstrap and folds");
  add_common(command, a.common);
  command.footer(
      "AUC: the chance that a row with the attribute has more of a latent than one without; ties count "
      "half.\n"
      "Below 0.5, rows with the attribute have less of it. from, to: interval by bootstrap within the "
      "groups.\n"
      "effect: Cohen's d. p: Mann and Whitney's test, two-sided; q: after Benjamini and Hochberg over all "
      "active\n"
      "latents. active with, active without: share of the rows with and without the attribute on which it "
      "is\n"
      "active. classifier: AUC of a linear classifier on rows that lose the concept by steering.\n"
      "Example:\n  msae bias run --data celeba.h5:/embeddings --attribute celeba.h5:/attributes --name Male");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
