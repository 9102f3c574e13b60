#include "cli/pareto_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <vector>

#include "cli/page.h"
#include "cli/plot_axis.h"
#include "cli/table.h"

namespace msae::cli {
namespace {

// In the units of the picture, which the page scales.
constexpr double width = 760, height = 520, left = 106, right = 26, top = 18, bottom = 82;
constexpr double pad = 12;  // keeps markers off the numbers beside the axes

constexpr std::size_t colours = 8;
// Shapes and dashes have no common divisor: 56 runs are told apart without colour.
constexpr std::array<const char*, 8> shapes = {
    "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z",
    "M-5.5 -5.5h11v11h-11z",
    "M0 -7L6.8 5H-6.8z",
    "M0 -7.5L6.5 0L0 7.5L-6.5 0z",
    "M0 7L6.8 -5H-6.8z",
    "M-2.2 -6.5h4.4v4.3h4.3v4.4h-4.3v4.3h-4.4v-4.3h-4.3v-4.4h4.3z",
    "M0 -8L2.1 -2.7L7.6 -2.5L3.3 1L4.7 6.5L0 3.4L-4.7 6.5L-3.3 1L-7.6 -2.5L-2.1 -2.7z",
    "M7 0L-5 6.8V-6.8z",
};
constexpr std::array<const char*, 7> dashes = {"none", "9 4", "2 3",         "9 3 2 3",
                                               "16 4", "5 5", "12 3 2 3 2 3"};

std::string colour(std::size_t run) {
  return "c" + std::to_string(run % colours);
}

std::string marker(std::size_t run) {
  return "<path class=\"mark\" d=\"" + std::string(shapes[run % shapes.size()]) + "\"/>";
}

std::string dash(std::size_t run) {
  return "stroke-dasharray=\"" + std::string(dashes[run % dashes.size()]) + "\"";
}

using Points = std::vector<const eval::Point*>;

Points drawn(const RunReport& report) {
  Points points;
  for (const auto& point : report.evaluation.points) {
    if (is_drawn(point)) points.push_back(&point);
  }
  return points;
}

std::string about(const eval::Point& point, const ComparedRun& run, bool dominated) {
  const bool as_run = point.codes == run.report.evaluation.codes;
  return run.name + "\n" + point.label + (as_run ? "" : ", by the " + point.codes) +
         (dominated ? ", dominated" : ", on the frontier") + "\nactive " + fixed(point.active, 1) + "\nFVU " +
         fixed(point.fvu, 4) + "\ncosine " + fixed(point.cosine, 4);
}

class Plot {
 public:
  Plot(const ParetoReport& report, bool logarithmic) : report_(report) {
    std::vector<double> active{1}, fvu{1};
    for (const auto& run : report.runs) {
      for (const auto* point : drawn(run.report)) {
        if (point->active > 0) active.push_back(point->active);
        if (point->fvu > 0) fvu.push_back(point->fvu);
      }
    }
    if (active.size() > 1) active.erase(active.begin());
    const auto [fewest, most] = std::minmax_element(active.begin(), active.end());
    x_ = logarithmic ? binary_axis(*fewest, *most) : linear_axis(*most);
    y_ = logarithmic ? decimal_axis(*std::min_element(fvu.begin(), fvu.end()), 1) : linear_axis(1);
    out_.precision(6);
  }

  std::string text() {
    out_ << "<svg viewBox=\"0 0 " << width << ' ' << height
         << "\" role=\"img\" aria-label=\"FVU over active latents; the table below has the numbers\">\n";
    horizontal_axis();
    vertical_axis();
    frontier();
    for (std::size_t run = 0; run < report_.runs.size(); ++run) line(run);
    for (const bool dominated : {true, false}) {  // the frontier on top
      for (std::size_t run = 0; run < report_.runs.size(); ++run) points(run, dominated);
    }
    out_ << "</svg>\n";
    return out_.str();
  }

 private:
  double x(double active) const { return left + pad + (width - left - right - 2 * pad) * x_.share(active); }
  double y(double fvu) const {
    return height - bottom - pad - (height - top - bottom - 2 * pad) * y_.share(fvu);
  }

  void grid_line(double x1, double y1, double x2, double y2) {
    out_ << "<line class=\"grid\" x1=\"" << x1 << "\" y1=\"" << y1 << "\" x2=\"" << x2 << "\" y2=\"" << y2
         << "\"/>\n";
  }

  void horizontal_axis() {
    for (const auto tick : x_.ticks) {
      grid_line(x(tick), top, x(tick), height - bottom);
      out_ << "<text class=\"x\" x=\"" << x(tick) << "\" y=\"" << height - bottom + 26 << "\">"
           << tick_label(tick) << "</text>\n";
    }
    out_ << "<text class=\"x name\" x=\"" << (left + width - right) / 2 << "\" y=\"" << height - 12
         << "\">active latents (mean number per row)</text>\n";
  }

  void vertical_axis() {
    for (const auto tick : y_.ticks) {
      grid_line(left, y(tick), width - right, y(tick));
      out_ << "<text class=\"y\" x=\"" << left - 10 << "\" y=\"" << y(tick) << "\">" << tick_label(tick)
           << "</text>\n";
    }
    out_ << "<text class=\"x name\" transform=\"translate(20 " << (top + height - bottom) / 2
         << ") rotate(-90)\">FVU (share unexplained)</text>\n";
  }

  // What is reached with so many active latents at most.
  void frontier() {
    std::ostringstream path;
    for (const auto& [run, index] : report_.frontier) {
      const auto& point = report_.runs[run].report.evaluation.points[index];
      if (!is_drawn(point)) continue;
      const bool first = path.tellp() == 0;
      path << (first ? "M" : "H") << x(point.active) << (first ? " " : "V") << y(point.fvu);
    }
    if (path.tellp() == 0) return;
    out_ << "<path class=\"frontier\" d=\"" << path.str() << 'H' << width - right << "\"/>\n";
  }

  void line(std::size_t run) {
    auto points = drawn(report_.runs[run].report);
    std::stable_sort(points.begin(), points.end(),
                     [](const auto* a, const auto* b) { return a->active < b->active; });
    if (points.size() < 2) return;
    out_ << "<polyline class=\"" << colour(run) << "\" " << dash(run) << " points=\"";
    for (const auto* point : points) out_ << x(point->active) << ',' << y(point->fvu) << ' ';
    out_ << "\"/>\n";
  }

  void points(std::size_t run, bool dominated) {
    const auto& compared = report_.runs[run];
    const auto& all = compared.report.evaluation.points;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!is_drawn(all[i]) || compared.report.dominated[i] != dominated) continue;
      out_ << "<g class=\"point " << colour(run) << (dominated ? " dominated" : "")
           << "\" transform=\"translate(" << x(all[i].active) << ' ' << y(all[i].fvu) << ")\">" << marker(run)
           << "<title>" << escaped(about(all[i], compared, dominated)) << "</title></g>\n";
    }
  }

  const ParetoReport& report_;
  Axis x_, y_;
  std::ostringstream out_;
};

}  // namespace

bool is_drawn(const eval::Point& point) {
  return std::isfinite(point.active) && point.fvu <= 1;
}

std::string plot(const ParetoReport& report, bool logarithmic) {
  return Plot(report, logarithmic).text();
}

std::string legend_mark(std::size_t run) {
  return "<svg class=\"key\" viewBox=\"0 0 52 20\" aria-hidden=\"true\"><polyline class=\"" + colour(run) +
         "\" " + dash(run) + " points=\"1,10 51,10\"/><g class=\"point " + colour(run) +
         "\" transform=\"translate(26 10)\">" + marker(run) + "</g></svg>";
}

}  // namespace msae::cli
