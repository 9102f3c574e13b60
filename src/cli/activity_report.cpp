#include "cli/activity_report.h"

#include <array>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "cli/report.h"
#include "cli/table.h"

namespace msae::cli {
namespace {

// Of whatever size.
std::string magnitude(double number) {
  constexpr int significant = 3;
  if (!std::isfinite(number)) return "-";
  std::ostringstream text;
  text << std::setprecision(significant) << number;
  return text.str();
}

constexpr std::array magnitude_shares{0.1, 0.5, 0.9, 0.99};

void print_magnitudes(std::ostream& out, const eval::Evaluation& e) {
  out << "\nActivity: latents active in less than 10^-5.5 of the rows (dead, by the published rule) or in "
         "none;\n"
         "magnitudes where active\n";
  Table table({"point", "dead", "never", "mean", "10 %", "median", "90 %", "99 %", "largest"});
  for (const auto& point : e.points) {
    std::vector<std::string> cells{point_name(point),
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

}  // namespace

void print_activity(std::ostream& out, const eval::Evaluation& evaluation) {
  print_magnitudes(out, evaluation);
  print_frequencies(out, evaluation);
}

nlohmann::ordered_json to_json(const eval::Activity& activity) {
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

}  // namespace msae::cli
