#include "cli/concept_page.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "cli/page.h"
#include "cli/pareto_plot.h"
#include "cli/pareto_report.h"
#include "cli/point_options.h"
#include "cli/report/assets.h"
#include "cli/table.h"
#include "core/printable.h"

namespace msae::cli {
namespace {

/// The page's data as JSON: lists with a place for each latent, in which strings are numbers. Written by
/// hand, as numbers need few digits here and there are millions of them.
class PageData {
 public:
  explicit PageData(const ConceptPage& page) : page_(page) {}

  std::string text() {
    const auto& profiles = page_.profiles;
    begin("count", std::to_string(page_.report.evaluation.rows));
    list("rows", [&](std::size_t i) { return std::to_string(profiles[i].rows); });
    list("mean", [&](std::size_t i) { return number(profiles[i].mean); });
    list("maximum", [&](std::size_t i) { return number(double{profiles[i].maximum}); });
    list("rank", [&](std::size_t i) { return number(profiles[i].rank); });
    list("level", [&](std::size_t i) { return std::to_string(page_.levels[i]); });
    list("top", [&](std::size_t i) {
      return joined(profiles[i].top, [&](const auto& top) {
        return "[" + std::to_string(top.row) + "," + number(top.value) + "]";
      });
    });
    list("companions", [&](std::size_t i) {
      return joined(profiles[i].companions, [&](const auto& c) {
        return "[" + std::to_string(c.latent) + "," + number(c.share) + "," + number(c.lift) + "]";
      });
    });
    list("parent", [&](std::size_t i) { return std::to_string(page_.tree[i].parent); });
    list("present", [&](std::size_t i) { return number(page_.tree[i].present); });
    list("together", [&](std::size_t i) { return number(page_.tree[i].active); });
    names();
    rows("labels", page_.labels, [&](const std::string& label) { return std::to_string(string(label)); });
    rows("images", page_.images, [](const std::string& image) { return quoted(image); });
    begin("strings", joined(strings_, [](const std::string& one) { return quoted(one); }));
    return "{" + text_ + "}";
  }

 private:
  void begin(const char* key, const std::string& value) {
    text_ += (text_.empty() ? "\"" : ",\n\"") + std::string(key) + "\":" + value;
  }

  template <typename Items, typename Text>
  static std::string joined(const Items& items, Text text) {
    std::string result = "[";
    for (const auto& item : items) result += (result.size() > 1 ? "," : "") + text(item);
    return result + "]";
  }

  template <typename Text>
  void list(const char* key, Text text) {
    std::string values = "[";
    for (std::size_t i = 0; i < page_.profiles.size(); ++i) values += (i > 0 ? "," : "") + text(i);
    begin(key, values + "]");
  }

  template <typename Text>
  void rows(const char* key, const std::map<std::int64_t, std::string>& all, Text text) {
    std::string values = "{";
    for (const auto& [row, value] : all) {
      values += (values.size() > 1 ? ",\"" : "\"") + std::to_string(row) + "\":" + text(value);
    }
    begin(key, values + "}");
  }

  void names() {
    const auto& names = page_.names;
    const bool none = names.of.empty();
    list("name", [&](std::size_t i) {
      return none || names.of[i].empty() ? std::string("-1") : std::to_string(string(names.of[i]));
    });
    list("cosine", [&](std::size_t i) { return none ? std::string("0") : number(names.cosine[i]); });
    list("margin", [&](std::size_t i) { return none ? std::string("0") : number(names.margin[i]); });
    list("words", [&](std::size_t i) {
      if (none) return std::string("[]");
      return joined(names.words[i], [&](const std::string& word) { return std::to_string(string(word)); });
    });
  }

  // The number of a string.
  std::size_t string(const std::string& text) {
    const auto [found, is_new] = places_.emplace(text, strings_.size());
    if (is_new) strings_.push_back(text);
    return found->second;
  }

  static std::string quoted(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  static std::string number(double value) {
    if (!std::isfinite(value)) return "0";
    constexpr int digits = 4;
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr;
    return {text, end};
  }

  const ConceptPage& page_;
  std::string text_;
  std::vector<std::string> strings_;
  std::unordered_map<std::string, std::size_t> places_;
};

// No end of the script, nor a comment, is found in it.
std::string inside_a_script(const std::string& json) {
  std::string safe;
  safe.reserve(json.size() + json.size() / 64);
  for (const char letter : json) {
    if (letter == '<') {
      safe += "\\u003c";
    } else {
      safe += letter;
    }
  }
  return safe;
}

std::string heading(const ConceptPage& page) {
  const auto& e = page.report.evaluation;
  const auto alive =
      std::count_if(page.profiles.begin(), page.profiles.end(), [](const auto& p) { return p.rows > 0; });
  const auto named = count_named(page);
  return "<h1>Concepts of " + escaped(page.run) + "</h1>\n<p>" + escaped(e.model) + ", " +
         std::to_string(e.latents) + " latents, dimension " + std::to_string(e.dim) + "; on " +
         std::to_string(e.rows) + " rows of " + escaped(e.data) +
         (e.view.empty() ? "" : " (" + escaped(e.view) + ")") + ". Concepts are shown at the point " +
         escaped(with_coding(page.point, page.codes)) + ": " + std::to_string(alive) +
         " latents are active on some row" +
         (page.names.of.empty() ? std::string(".") : ", " + std::to_string(named) + " have a name.") +
         "</p>\n";
}

std::string frequency_plot(const ConceptPage& page) {
  // Half decades of the share of rows, as eval::FrequencyHistogram has them.
  constexpr std::size_t bins = 8;
  Bars bars{.title = "How many latents are active on which share of the rows, at the point of the concepts",
            .x_name = "share of the rows, at least",
            .labels = {"none"},
            .counts = std::vector<double>(bins + 1),
            .apart = {true}};
  for (const auto* label : {"less", "3e-4", "1e-3", "3e-3", ".01", ".03", ".1", ".3"})
    bars.labels.emplace_back(label);
  for (const auto& profile : page.profiles) {
    if (profile.rows == 0) {
      ++bars.counts[0];
      continue;
    }
    const auto bin = std::floor(2 * std::log10(profile.frequency)) + static_cast<double>(bins);
    ++bars.counts[1 + static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(bins) - 1))];
  }
  return bar_plot(bars);
}

std::string rank_plot(const ConceptPage& page) {
  Bars bars{
      .title = "How many latents are typically found at which rank in a row: coarse concepts to the left",
      .x_name = "typical rank, at most",
      .labels = {},
      .counts = {},
      .apart = {}};
  double most = 1;
  for (const auto& profile : page.profiles) most = std::max(most, profile.rank);
  for (std::int64_t edge = 1; static_cast<double>(edge) / 2 < most; edge *= 2) {
    const auto above = static_cast<double>(edge) / 2, upto = static_cast<double>(edge);
    bars.labels.push_back(std::to_string(edge));
    bars.counts.push_back(
        static_cast<double>(std::count_if(page.profiles.begin(), page.profiles.end(),
                                          [&](const auto& p) { return p.rank > above && p.rank <= upto; })));
  }
  return bar_plot(bars);
}

std::string plots(const ConceptPage& page) {
  std::string text = "<h2>Training, frontier, activity</h2>\n<div class=\"plots\">\n";
  for (const auto& curve : page.curves) text += curve_plot(curve);
  const auto frontier = compare({page.report});
  text += "<figure class=\"points\">" + plot(frontier, true) +
          "<figcaption>FVU over active latents at every point; hypervolume " +
          fixed(frontier.hypervolume, 4) + "</figcaption></figure>\n";
  return text + frequency_plot(page) + rank_plot(page) + "</div>\n";
}

std::string points_table(const ConceptPage& page) {
  const auto& points = page.report.evaluation.points;
  const bool with_codes = has_other_codes(page.report.evaluation);
  std::string text = "<h2>Level by level</h2>\n<div class=\"scroll\" tabindex=\"0\">\n<table>\n<thead>" +
                     table_row(point_header(points.front(), with_codes), "th") + "</thead>\n<tbody>\n";
  for (const auto& point : points) text += table_row(point_cells(point, points.front(), with_codes), "td");
  return text + "</tbody>\n</table>\n</div>\n";
}

}  // namespace

std::int64_t count_named(const ConceptPage& page) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < page.names.of.size(); ++i) {
    count += !page.names.of[i].empty() && page.profiles[i].rows > 0 ? 1 : 0;
  }
  return count;
}

std::string to_page(const ConceptPage& page) {
  return page_begin("Concepts of " + page.run, report_style) + heading(page) + report_explorer + plots(page) +
         points_table(page) + "<script type=\"application/json\" id=\"data\">" +
         inside_a_script(PageData(page).text()) + "</script>\n" + page_end(report_script);
}

}  // namespace msae::cli
