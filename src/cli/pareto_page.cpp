#include "cli/pareto_page.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "cli/page.h"
#include "cli/pareto_plot.h"
#include "cli/table.h"

namespace msae::cli {
namespace {

constexpr const char* style = R"(
.plot label { margin-right: 1rem; }
.plot figure { display: none; margin: .5rem 0; }
#logarithmic:checked ~ .logarithmic, #linear:checked ~ .linear { display: block; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; }
.legend li { display: flex; align-items: center; } .key, .band { flex: none; width: 52px; margin-right: .5rem; }
.key { height: 20px; } .band { height: 7px; background: var(--soft); opacity: .35; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.codes th:nth-child(3), .codes td:nth-child(3) { text-align: left; }
td:first-child { max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }
tr.dominated td { color: var(--soft); }
#tip { position: fixed; pointer-events: none; white-space: pre; background: var(--tip); color: var(--ink);
  border: 1px solid var(--soft); border-radius: 4px; padding: .3rem .5rem; font-size: .85rem; line-height: 1.35; }
)";

// Browsers show a <title> of their own, late; without a script it is what there is.
constexpr const char* script = R"(
const tip = document.getElementById('tip');
for (const point of document.querySelectorAll('figure .point')) {
  const title = point.querySelector('title'), text = title.textContent;
  title.remove();
  point.addEventListener('pointerenter', event => {
    tip.textContent = text;
    tip.hidden = false;
    const at = (pointer, size, room) => Math.max(0, Math.min(pointer + 14, room - size - 4)) + 'px';
    tip.style.left = at(event.clientX, tip.offsetWidth, innerWidth);
    tip.style.top = at(event.clientY, tip.offsetHeight, innerHeight);
  });
  point.addEventListener('pointerleave', () => { tip.hidden = true; });
}
)";

std::string head(const ParetoReport& report) {
  const auto& e = report.runs.front().report.evaluation;
  std::set<std::string> folders;
  for (const auto& run : report.runs) folders.insert(run.report.run);
  const auto count = folders.size();
  const auto runs = std::to_string(count) + (count == 1 ? " run" : " runs");
  return page_begin("Sparsity and reconstruction of " + runs, style) +
         "<h1>Sparsity and reconstruction</h1>\n<p>" + runs + " on " + std::to_string(e.rows) + " rows of " +
         escaped(e.data) + (e.view.empty() ? "" : " (" + escaped(e.view) + ")") +
         (e.centred ? ", centred" : "") + ". Hypervolume of all together: <b>" +
         fixed(report.hypervolume, 4) + "</b>.</p>\n";
}

std::string remark(const ParetoReport& report) {
  std::size_t missing = 0;
  for (const auto& run : report.runs) {
    const auto& points = run.report.evaluation.points;
    missing += static_cast<std::size_t>(
        std::count_if(points.begin(), points.end(), [](const auto& point) { return !is_drawn(point); }));
  }
  if (missing == 0) return {};
  return "<p class=\"soft\">" + std::to_string(missing) + (missing == 1 ? " point is" : " points are") +
         " not drawn, with an FVU above 1: worse than the mean of the data.</p>\n";
}

// Radio buttons and a style sheet that looks at them: a switch without a script, for mouse and keyboard.
std::string plots(const ParetoReport& report) {
  return "<div class=\"plot\">\n"
         "<input type=\"radio\" name=\"axes\" id=\"logarithmic\" checked><label for=\"logarithmic\"> "
         "logarithmic axes</label>\n"
         "<input type=\"radio\" name=\"axes\" id=\"linear\"><label for=\"linear\"> linear axes</label>\n"
         "<figure class=\"logarithmic\">\n" +
         plot(report, true) + "</figure>\n<figure class=\"linear\">\n" + plot(report, false) +
         "</figure>\n</div>\n";
}

std::string legend(const ParetoReport& report) {
  std::ostringstream text;
  text << "<ul class=\"legend\">\n";
  for (std::size_t i = 0; i < report.runs.size(); ++i) {
    const auto& run = report.runs[i];
    text << "<li title=\"" << escaped(run.report.run) << "\">" << legend_mark(i) << "<span>"
         << escaped(run.name) << " <span class=\"soft\">" << escaped(run.report.evaluation.model)
         << ", hypervolume " << fixed(run.hypervolume, 4) << "</span></span></li>\n";
  }
  text << "<li><span class=\"band\"></span>frontier</li>\n</ul>\n<p class=\"soft\">Hollow points are "
          "dominated: another point has no more active latents and no larger FVU, and less of one of them. "
          "The hypervolume is the area below the best 1 &minus; FVU from 8 to 1024 active latents on a "
          "logarithmic scale: 1 where 8 latents explain everything. Points below the lines between others "
          "make it less.</p>\n";
  return text.str();
}

std::string table(const ParetoReport& report) {
  const auto& first = report.runs.front().report.evaluation.points.front();
  const bool with_codes = std::any_of(report.runs.begin(), report.runs.end(),
                                      [](const auto& run) { return has_other_codes(run.report.evaluation); });
  auto header = point_header(first, with_codes);
  header.insert(header.begin(), "run");
  header.emplace_back("frontier");
  auto text = "<h2>All points</h2>\n<div class=\"scroll\" tabindex=\"0\">\n<table" +
              std::string(with_codes ? " class=\"codes\"" : "") + ">\n<thead>" + table_row(header, "th") +
              "</thead>\n<tbody>\n";
  for (const auto& run : report.runs) {
    for (std::size_t i = 0; i < run.report.evaluation.points.size(); ++i) {
      const bool dominated = run.report.dominated[i];
      auto cells = point_cells(run.report.evaluation.points[i], first, with_codes);
      cells.insert(cells.begin(), run.name);
      cells.emplace_back(dominated ? "dominated" : "yes");
      text += table_row(cells, "td", dominated ? "dominated" : "");
    }
  }
  return text + "</tbody>\n</table>\n</div>\n";
}

}  // namespace

std::string to_page(const ParetoReport& report) {
  return head(report) + plots(report) + remark(report) + legend(report) + table(report) +
         "<div id=\"tip\" hidden></div>\n" + page_end(script);
}

}  // namespace msae::cli
