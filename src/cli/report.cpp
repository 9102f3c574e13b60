#include "cli/report.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/data_options.h"
#include "cli/table.h"
#include "msae/core/error.h"

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

}  // namespace

std::vector<std::string> point_header() {
  return {"point", "active", "sparsity", "FVU", "FVU/row", "cosine", "NMAE", "dead"};
}

std::vector<std::string> point_cells(const eval::Point& point) {
  const bool says_k = point.label.rfind("k=", 0) == 0;
  const auto k = point.k && !says_k ? " (k=" + std::to_string(*point.k) + ")" : "";
  return {point.label + k,      fixed(point.active, 1),         fixed(point.sparsity, 4),
          fixed(point.fvu, 4),  fixed(point.fvu_per_sample, 4), fixed(point.cosine, 4),
          fixed(point.nmae, 4), percent(point.dead_fraction)};
}

void print(std::ostream& out, const RunReport& report) {
  const auto& e = report.evaluation;
  out << report.run << ": " << e.model << ", " << e.latents << " latents, on " << e.rows << " rows of "
      << e.data << (e.view.empty() ? "" : " (" + e.view + ")") << (e.centred ? ", centred" : "") << "\n";
  const bool marked = !report.dominated.empty();
  auto header = point_header();
  if (marked) header.emplace_back();
  Table table(std::move(header));
  for (std::size_t i = 0; i < e.points.size(); ++i) {
    auto cells = point_cells(e.points[i]);
    if (marked) cells.emplace_back(report.dominated.at(i) ? "dominated" : "");
    table.add(std::move(cells));
  }
  table.print(out);
  if (!report.recovery.empty()) print_recovery(out, report.recovery);
}

nlohmann::ordered_json to_json(const eval::Point& point) {
  return {{"label", point.label},
          {"k", point.k ? nlohmann::ordered_json(*point.k) : nlohmann::ordered_json(nullptr)},
          {"active", point.active},
          {"sparsity", point.sparsity},
          {"fvu", point.fvu},
          {"fvu_per_sample", point.fvu_per_sample},
          {"cosine", point.cosine},
          {"nmae", point.nmae},
          {"dead_fraction", point.dead_fraction}};
}

nlohmann::ordered_json to_json(const RunReport& report) {
  const auto& e = report.evaluation;
  nlohmann::ordered_json json = {{"run", report.run},
                                 {"data", e.data},
                                 {"rows", e.rows},
                                 {"dim", e.dim},
                                 {"latents", e.latents},
                                 {"model", e.model},
                                 {"centred", e.centred},
                                 {"decoder_orthogonality", e.decoder_orthogonality},
                                 {"dead_fraction", e.dead_fraction},
                                 {"points", nlohmann::ordered_json::array()}};
  add_view(json, e.view);
  for (const auto& point : e.points) json["points"].push_back(to_json(point));
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
