#include "cli/report.h"

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/activity_report.h"
#include "cli/data_options.h"
#include "cli/table.h"
#include "msae/core/error.h"
#include "msae/eval/progressive.h"

namespace msae::cli {
namespace {

void print_recovery(std::ostream& out, const std::vector<eval::Recovery>& recovery) {
  out << "\nTrue concepts recovered (best cosine of any dictionary row; in brackets a random dictionary's)\n";
  Table table({"depth", "concepts", "mean cosine", "above 0.9"});
  for (const auto& row : recovery) {
    table.add({row.depth == 0 ? "all" : std::to_string(row.depth), std::to_string(row.concepts),
               fixed(row.cosine, 3) + " (" + fixed(row.random_cosine, 3) + ")",
               percent(row.above) + " (" + percent(row.random_above) + ")"});
  }
  table.print(out);
}

// A dash where there is no value.
std::string value(double number, int digits) {
  return std::isfinite(number) ? fixed(number, digits) : "-";
}

void print_progressive(std::ostream& out, const std::vector<eval::ProgressiveStep>& steps, bool with_codes) {
  out << "\nProgressive recovery (gain: share of what all latents"
      << (with_codes ? ", by the encoder's codes," : "") << " gain that is reached)\n";
  std::vector<std::string> header{"level", "k", "FVU", "cosine", "gain"};
  if (with_codes) header.insert(header.begin() + 1, "codes");
  Table table(std::move(header));
  for (const auto& step : steps) {
    std::vector<std::string> cells{step.label, step.k ? std::to_string(*step.k) : "-", fixed(step.fvu, 4),
                                   fixed(step.cosine, 4),
                                   std::isfinite(step.gain) ? percent(step.gain) : "-"};
    if (with_codes) cells.insert(cells.begin() + 1, step.codes);
    table.add(std::move(cells));
  }
  table.print(out);
}

nlohmann::ordered_json number_or_null(std::optional<std::int64_t> number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::string point_name(const eval::Point& point) {
  return point.k && point.label.rfind("k=", 0) != 0 ? point.label + " (k=" + std::to_string(*point.k) + ")"
                                                    : point.label;
}

bool has_other_codes(const eval::Evaluation& evaluation) {
  return evaluation.codes != models::Coding::encoder().name();
}

std::vector<std::string> point_header(const eval::Point& like, bool with_codes) {
  std::vector<std::string> header{"point",   "active", "sparsity", "FVU", "expl.",
                                  "FVU/row", "cosine", "NMAE",     "dead"};
  if (with_codes) header.insert(header.begin() + 1, "codes");
  if (like.cknna) header.emplace_back("CKNNA");
  if (like.monosemanticity) header.emplace_back("mono");
  return header;
}

std::vector<std::string> point_cells(const eval::Point& point, const eval::Point& like, bool with_codes) {
  std::vector<std::string> cells{point_name(point),
                                 fixed(point.active, 1),
                                 fixed(point.sparsity, 4),
                                 fixed(point.fvu, 4),
                                 value(point.explained_variance, 4),
                                 fixed(point.fvu_per_sample, 4),
                                 fixed(point.cosine, 4),
                                 fixed(point.nmae, 4),
                                 percent(point.dead_fraction)};
  if (with_codes) cells.insert(cells.begin() + 1, point.codes);
  if (like.cknna) cells.push_back(value(point.cknna.value_or(NAN), 4));
  if (like.monosemanticity) cells.push_back(value(point.monosemanticity.value_or(NAN), 3));
  return cells;
}

void print(std::ostream& out, const RunReport& report) {
  const auto& e = report.evaluation;
  const auto& first = e.points.front();
  const bool with_codes = has_other_codes(e);
  out << report.run << ": " << e.model << ", " << e.latents << " latents"
      << (with_codes ? ", codes by " + e.codes : "") << ", on " << e.rows << " rows of " << e.data
      << (e.view.empty() ? "" : " (" + e.view + ")") << (e.centred ? ", centred" : "") << "\n";
  const bool marked = !report.dominated.empty();
  auto header = point_header(first, with_codes);
  if (marked) header.emplace_back();
  Table table(std::move(header));
  for (std::size_t i = 0; i < e.points.size(); ++i) {
    auto cells = point_cells(e.points[i], first, with_codes);
    if (marked) cells.emplace_back(report.dominated.at(i) ? "dominated" : "");
    table.add(std::move(cells));
  }
  table.print(out);
  const auto steps = eval::progressive_recovery(e);
  if (!steps.empty() && !marked) print_progressive(out, steps, with_codes);
  if (first.activity) print_activity(out, e);
  if (!report.recovery.empty()) print_recovery(out, report.recovery);
}

nlohmann::ordered_json to_json(const eval::Point& point) {
  nlohmann::ordered_json json = {{"label", point.label},
                                 {"k", number_or_null(point.k)},
                                 {"active", point.active},
                                 {"sparsity", point.sparsity},
                                 {"fvu", point.fvu},
                                 {"explained_variance", point.explained_variance},
                                 {"fvu_per_sample", point.fvu_per_sample},
                                 {"cosine", point.cosine},
                                 {"nmae", point.nmae},
                                 {"dead_fraction", point.dead_fraction},
                                 {"never_active", point.never_active},
                                 {"mean_magnitude", point.mean_magnitude},
                                 {"codes", point.codes}};
  if (point.cknna) json["cknna"] = *point.cknna;
  if (point.monosemanticity) json["monosemanticity"] = *point.monosemanticity;
  if (point.activity) json["activity"] = to_json(*point.activity);
  return json;
}

nlohmann::ordered_json to_json(const RunReport& report) {
  const auto& e = report.evaluation;
  nlohmann::ordered_json json = {{"run", report.run},
                                 {"data", e.data},
                                 {"rows", e.rows},
                                 {"dim", e.dim},
                                 {"latents", e.latents},
                                 {"model", e.model},
                                 {"codes", e.codes},
                                 {"centred", e.centred},
                                 {"decoder_orthogonality", e.decoder_orthogonality},
                                 {"fvu_without_latents", e.fvu_without_latents},
                                 {"dead_fraction", e.dead_fraction},
                                 {"points", nlohmann::ordered_json::array()}};
  add_view(json, e.view);
  for (const auto& point : e.points) json["points"].push_back(to_json(point));
  for (const auto& step : eval::progressive_recovery(e)) {
    json["progressive"].push_back({{"label", step.label},
                                   {"k", number_or_null(step.k)},
                                   {"fvu", step.fvu},
                                   {"cosine", step.cosine},
                                   {"gain", step.gain},
                                   {"codes", step.codes}});
  }
  for (const auto& row : report.recovery) {
    json["recovery"].push_back(
        {{"depth", row.depth == 0 ? nlohmann::ordered_json("all") : nlohmann::ordered_json(row.depth)},
         {"concepts", row.concepts},
         {"cosine", row.cosine},
         {"above_0.9", row.above},
         {"random_cosine", row.random_cosine},
         {"random_above_0.9", row.random_above}});
  }
  return json;
}

eval::Evaluation evaluate_with_bar(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                   const eval::EvalOptions& options, const Common& common) {
  ProgressBar bar(!common.quiet);
  return eval::evaluate(model, data, options, [&](double share) {
    if (interrupted()) throw Error("interrupted while evaluating on " + data.name());
    bar.update(share, "evaluating on " + data.name());
  });
}

}  // namespace msae::cli
