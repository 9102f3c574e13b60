#include "cli/bias_page.h"

#include <algorithm>
#include <sstream>

#include "cli/page.h"
#include "cli/point_options.h"
#include "cli/table.h"

namespace msae::cli {
namespace {

constexpr const char* bias_style = R"(
.end { text-anchor: end; } .mid { text-anchor: middle; }
.even { stroke: var(--soft); stroke-dasharray: 4 3; }
.more { stroke: #d55e00; fill: #d55e00; } .less { stroke: #0072b2; fill: #0072b2; }
@media (prefers-color-scheme: dark) { .more { stroke: #ff9a52; fill: #ff9a52; } .less { stroke: #5ab4ee; fill: #5ab4ee; } }
th:first-child, td:first-child { text-align: left; }
)";

std::string p_text(double p) {
  if (p >= 0.001) return fixed(p, 3);
  std::ostringstream text;
  text.precision(1);
  text << std::scientific << p;
  return text.str();
}

// Areas under the curve from 0 to 1, a line a latent, an interval around each.
std::string bias_plot(const BiasReport& report) {
  constexpr double width = 760, left = 240, right = 20, line = 24, top = 10;
  const auto height = top + line * static_cast<double>(report.rows.size()) + 34;
  const auto x = [&](double auc) { return left + (width - left - right) * auc; };
  std::ostringstream out;
  out.precision(5);
  out << "<svg viewBox=\"0 0 " << width << ' ' << height
      << "\" role=\"img\" aria-label=\"Area under the ROC curve of each concept, with its interval\">\n";
  for (int tick = 0; tick <= 10; tick += 2) {
    const auto at = x(tick / 10.0);
    out << "<line class=\"grid\" x1=\"" << at << "\" y1=\"" << top << "\" x2=\"" << at << "\" y2=\""
        << height - 30 << "\"/><text class=\"mid\" x=\"" << at << "\" y=\"" << height - 12 << "\">"
        << fixed(tick / 10.0, 1) << "</text>\n";
  }
  out << "<line class=\"even\" x1=\"" << x(0.5) << "\" y1=\"" << top << "\" x2=\"" << x(0.5) << "\" y2=\""
      << height - 30 << "\"/>\n";
  double y = top + line / 2;
  for (const auto& row : report.rows) {
    const auto& d = row.difference;
    auto name = row.name;
    if (name.size() > 30) {
      auto end = std::size_t{27};
      while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0u) == 0x80u) --end;  // a letter is whole
      name = name.substr(0, end) + "...";
    }
    out << "<g class=\"" << (d.auc >= 0.5 ? "more" : "less") << "\"><title>" << escaped(row.name) << ": "
        << fixed(d.auc, 3) << "</title><line x1=\"" << x(d.auc_low) << "\" y1=\"" << y << "\" x2=\""
        << x(d.auc_high) << "\" y2=\"" << y << "\" stroke-width=\"3\"/><circle cx=\"" << x(d.auc)
        << "\" cy=\"" << y << "\" r=\"4.5\"/></g><text class=\"end\" x=\"" << left - 8 << "\" y=\"" << y + 4
        << "\">" << escaped(name) << "</text>\n";
    y += line;
  }
  out << "</svg>\n";
  return out.str();
}

}  // namespace

std::vector<std::string> bias_header() {
  return {"concept", "latent", "AUC",         "from",           "to",        "effect",
          "p",       "q",      "active with", "active without", "classifier"};
}

std::vector<std::string> bias_cells(const BiasRow& row) {
  const auto& d = row.difference;
  return {row.name,
          std::to_string(d.latent),
          fixed(d.auc, 3),
          fixed(d.auc_low, 3),
          fixed(d.auc_high, 3),
          fixed(d.effect, 2),
          p_text(d.p),
          p_text(d.q),
          percent(d.active_with),
          percent(d.active_without),
          fixed(row.auc_without, 4)};
}

std::string to_page(const BiasReport& report) {
  const auto name = report.attribute.empty() ? "the attribute" : report.attribute;
  auto text = page_begin("Concepts and " + name, bias_style) + "<h1>Concepts and " + escaped(name) +
              "</h1>\n<p>" + std::to_string(report.with) + " rows with it and " +
              std::to_string(report.without) + " without, of " + escaped(report.data) + "; latents of " +
              escaped(report.run) + " at " + escaped(with_coding(report.point, report.codes)) + ". Of " +
              std::to_string(report.compared) + " active latents " + std::to_string(report.significant) +
              " differ between the groups at a false discovery rate of 5 %.</p>\n";
  text += "<h2>How well each concept tells the groups apart</h2>\n<figure>\n" + bias_plot(report) +
          "</figure>\n<p class=\"soft\">AUC: the chance that a row with " + escaped(name) +
          " has more of the concept than one without; 0.5 tells nothing. Lines: intervals of " +
          fixed(100 * report.confidence, 0) + " %" + " by bootstrap.</p>\n";
  text += "<h2>What a linear classifier of " + escaped(name) + " depends on</h2>\n<p>Its AUC is <b>" +
          fixed(report.dependence.auc, 4) + "</b>; with the " + std::to_string(report.removed) +
          " concepts above taken from the rows <b>" + fixed(report.dependence.steered, 4) +
          "</b>, and fitted anew without them <b>" + fixed(report.dependence.retrained, 4) + "</b>.</p>\n";
  text += "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<thead>" + table_row(bias_header(), "th") +
          "</thead>\n<tbody>\n";
  for (const auto& row : report.rows) text += table_row(bias_cells(row), "td");
  return text +
         "</tbody>\n</table>\n</div>\n<p class=\"soft\">effect: Cohen's d. p: Mann and Whitney's test; q: "
         "after "
         "Benjamini and Hochberg over all active latents. active: share of the rows with and without the "
         "attribute "
         "on "
         "which the concept is active. classifier: its AUC on rows without that "
         "concept.</p>\n" +
         page_end("");
}

}  // namespace msae::cli
