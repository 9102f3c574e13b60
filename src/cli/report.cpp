#include "cli/report.h"

#include <array>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

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

std::string named(const eval::Point& point) {
  return point.k && point.label.rfind("k=", 0) != 0 ? point.label + " (k=" + std::to_string(*point.k) + ")"
                                                    : point.label;
}

// A dash where there is no value.
std::string value(double number, int digits) {
  return std::isfinite(number) ? fixed(number, digits) : "-";
}

// Of whatever size.
std::string magnitude(double number) {
  constexpr int significant = 3;
  if (!std::isfinite(number)) return "-";
  std::ostringstream text;
  text << std::setprecision(significant) << number;
  return text.str();
}

void print_points(std::ostream& out, const eval::Evaluation& e) {
  std::vector<std::string> header{"point",   "active", "sparsity", "FVU", "expl.",
                                  "FVU/row", "cosine", "NMAE",     "dead"};
  if (e.points.front().cknna) header.emplace_back("CKNNA");
  if (e.points.front().monosemanticity) header.emplace_back("mono");
  Table table(header);
  for (const auto& point : e.points) {
    std::vector<std::string> cells{named(point),
                                   fixed(point.active, 1),
                                   fixed(point.sparsity, 4),
                                   fixed(point.fvu, 4),
                                   value(point.explained_variance, 4),
                                   fixed(point.fvu_per_sample, 4),
                                   fixed(point.cosine, 4),
                                   fixed(point.nmae, 4),
                                   percent(point.dead_fraction)};
    if (e.points.front().cknna) cells.push_back(value(point.cknna.value_or(NAN), 4));
    if (e.points.front().monosemanticity) cells.push_back(value(point.monosemanticity.value_or(NAN), 3));
    table.add(std::move(cells));
  }
  table.print(out);
}

void print_progressive(std::ostream& out, const std::vector<eval::ProgressiveStep>& steps) {
  out << "\nProgressive recovery (gain: share of what all latents gain that is reached)\n";
  Table table({"level", "k", "FVU", "cosine", "gain"});
  for (const auto& step : steps) {
    table.add({step.label, step.k ? std::to_string(*step.k) : "-", fixed(step.fvu, 4), fixed(step.cosine, 4),
               std::isfinite(step.gain) ? percent(step.gain) : "-"});
  }
  table.print(out);
}

constexpr std::array magnitude_shares{0.1, 0.5, 0.9, 0.99};

void print_magnitudes(std::ostream& out, const eval::Evaluation& e) {
  out << "\nActivity: latents active in less than 10^-5.5 of the rows (dead, by the published rule) or in "
         "none;\n"
         "magnitudes where active\n";
  Table table({"point", "dead", "never", "mean", "10 %", "median", "90 %", "99 %", "largest"});
  for (const auto& point : e.points) {
    std::vector<std::string> cells{named(point),
                                   std::to_string(point.activity->dead().sum().item<std::int64_t>()),
                                   std::to_string(point.never_active), magnitude(point.mean_magnitude)};
    for (const auto share : magnitude_shares) cells.push_back(magnitude(point.activity->quantile(share)));
    cells.push_back(magnitude(point.activity->quantile(1)));
    table.add(std::move(cells));
  }
  table.print(out);
}

std::string bar(std::int64_t count, std::int64_t of) {
  constexpr double width = 28;
  const auto filled =
      static_cast<std::size_t>(std::ceil(width * static_cast<double>(count) / static_cast<double>(of)));
  return std::string(filled, '#') + std::string(static_cast<std::size_t>(width) - filled, ' ');
}

std::string bin_name(std::size_t bin) {
  using Histogram = eval::FrequencyHistogram;
  if (bin == 0) return "below " + fixed(Histogram::log10_from(1), 1);
  return fixed(Histogram::log10_from(bin), 1) + " to " + fixed(Histogram::log10_from(bin + 1), 1);
}

void print_frequencies(std::ostream& out, const eval::Evaluation& e) {
  out << "\nHow many latents are active in which share of the rows (log10)\n";
  std::vector<eval::FrequencyHistogram> histograms;
  std::vector<std::string> header{"share"}, never{"never"};
  for (const auto& point : e.points) {
    if (point.label != "trained" && point.label != "all") continue;
    histograms.push_back(point.activity->histogram());
    header.insert(header.end(), {point.label, ""});
    never.insert(never.end(), {std::to_string(point.never_active), bar(point.never_active, e.latents)});
  }
  Table table(header);
  table.add(never);
  for (std::size_t bin = 0; bin < eval::FrequencyHistogram::bins; ++bin) {
    std::vector<std::string> cells{bin_name(bin)};
    for (const auto& histogram : histograms) {
      cells.push_back(std::to_string(histogram.counts[bin]));
      cells.push_back(bar(histogram.counts[bin], e.latents));
    }
    table.add(std::move(cells));
  }
  table.print(out);
}

nlohmann::ordered_json number_or_null(std::optional<std::int64_t> number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json activity_json(const eval::Activity& activity) {
  const auto histogram = activity.histogram();
  auto quantiles = nlohmann::ordered_json::array();
  for (const auto share : magnitude_shares) {
    quantiles.push_back({{"share", share}, {"magnitude", activity.quantile(share)}});
  }
  auto bins = nlohmann::ordered_json::array();
  for (std::size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    bins.push_back(
        {{"log10_from", bin == 0 ? nlohmann::ordered_json(nullptr)
                                 : nlohmann::ordered_json(eval::FrequencyHistogram::log10_from(bin))},
         {"latents", histogram.counts[bin]}});
  }
  return {{"dead", activity.dead().sum().item<std::int64_t>()},
          {"never_active", activity.never_active().sum().item<std::int64_t>()},
          {"frequency", bins},
          {"magnitude",
           {{"mean", activity.mean()}, {"quantiles", quantiles}, {"largest", activity.quantile(1)}}}};
}

nlohmann::ordered_json point_json(const eval::Point& point) {
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
                                 {"mean_magnitude", point.mean_magnitude}};
  if (point.cknna) json["cknna"] = *point.cknna;
  if (point.monosemanticity) json["monosemanticity"] = *point.monosemanticity;
  if (point.activity) json["activity"] = activity_json(*point.activity);
  return json;
}

}  // namespace

void print(std::ostream& out, const RunReport& report) {
  const auto& e = report.evaluation;
  out << report.run << ": " << e.model << ", " << e.latents << " latents, on " << e.rows << " rows of "
      << e.data << (e.view.empty() ? "" : " (" + e.view + ")") << (e.centred ? ", centred" : "") << "\n";
  print_points(out, e);
  const auto steps = eval::progressive_recovery(e);
  if (!steps.empty()) print_progressive(out, steps);
  if (e.points.front().activity) {
    print_magnitudes(out, e);
    print_frequencies(out, e);
  }
  if (!report.recovery.empty()) print_recovery(out, report.recovery);
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
                                 {"fvu_without_latents", e.fvu_without_latents},
                                 {"dead_fraction", e.dead_fraction},
                                 {"points", nlohmann::ordered_json::array()}};
  add_view(json, e.view);
  for (const auto& point : e.points) json["points"].push_back(point_json(point));
  for (const auto& step : eval::progressive_recovery(e)) {
    json["progressive"].push_back({{"label", step.label},
                                   {"k", number_or_null(step.k)},
                                   {"fvu", step.fvu},
                                   {"cosine", step.cosine},
                                   {"gain", step.gain}});
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
