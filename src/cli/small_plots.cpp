#include "cli/small_plots.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "cli/page.h"
#include "cli/plot_axis.h"

namespace msae::cli {
namespace {

constexpr double plot_width = 520, plot_height = 300, plot_left = 64, plot_right = 30, plot_top = 10,
                 plot_bottom = 52;
constexpr std::size_t most_points = 600;  // more are not told apart

double across(double share) {
  return plot_left + (plot_width - plot_left - plot_right) * share;
}
double upwards(double share) {
  return plot_height - plot_bottom - (plot_height - plot_top - plot_bottom) * share;
}

std::string frame(const std::string& title, const std::string& x_name, const Axis& y) {
  std::ostringstream out;
  out.precision(5);
  out << "<figure><svg viewBox=\"0 0 " << plot_width << ' ' << plot_height << "\" role=\"img\" aria-label=\""
      << escaped(title) << "\">\n";
  for (const auto tick : y.ticks) {
    const auto at = upwards(y.share(tick));
    out << "<line class=\"grid\" x1=\"" << plot_left << "\" y1=\"" << at << "\" x2=\""
        << plot_width - plot_right << "\" y2=\"" << at << "\"/><text class=\"y\" x=\"" << plot_left - 8
        << "\" y=\"" << at << "\">" << tick_label(tick) << "</text>\n";
  }
  out << "<text class=\"x name\" x=\"" << across(0.5) << "\" y=\"" << plot_height - 8 << "\">"
      << escaped(x_name) << "</text>\n";
  return out.str();
}

std::string end_of_frame(const std::string& title) {
  return "</svg><figcaption>" + escaped(title) + "</figcaption></figure>\n";
}

}  // namespace

std::string curve_plot(const Curve& curve) {
  std::vector<std::size_t> drawn;
  for (std::size_t i = 0; i < curve.y.size(); ++i) {
    if (std::isfinite(curve.y[i]) && (!curve.logarithmic || curve.y[i] > 0)) drawn.push_back(i);
  }
  if (drawn.size() < 2) return "<p class=\"soft\">" + escaped(curve.title) + ": too few steps to draw.</p>\n";
  double least = curve.y[drawn[0]], most = least;
  for (const auto i : drawn) {
    least = std::min(least, curve.y[i]);
    most = std::max(most, curve.y[i]);
  }
  const auto y = curve.logarithmic ? decimal_axis(least, most) : linear_axis(most);
  const auto x = linear_axis(curve.x[drawn.back()]);
  std::ostringstream out;
  out.precision(5);
  out << frame(curve.title, curve.x_name, y);
  for (const auto tick : x.ticks) {
    out << "<text class=\"x\" x=\"" << across(x.share(tick)) << "\" y=\"" << plot_height - plot_bottom + 20
        << "\">" << tick_label(tick) << "</text>\n";
  }
  out << "<polyline class=\"curve\" points=\"";
  const auto step = std::max<std::size_t>(1, drawn.size() / most_points);
  for (std::size_t k = 0; k < drawn.size(); ++k) {
    if (k % step != 0 && k + 1 != drawn.size()) continue;
    out << across(x.share(curve.x[drawn[k]])) << ',' << upwards(y.share(curve.y[drawn[k]])) << ' ';
  }
  out << "\"/>" << end_of_frame(curve.title);
  return out.str();
}

std::string bar_plot(const Bars& bars) {
  const auto most = bars.counts.empty() ? 0 : *std::max_element(bars.counts.begin(), bars.counts.end());
  const auto y = linear_axis(std::max(most, 1.0));
  std::ostringstream out;
  out.precision(5);
  out << frame(bars.title, bars.x_name, y);
  const auto count = static_cast<double>(std::max<std::size_t>(1, bars.counts.size()));
  for (std::size_t i = 0; i < bars.counts.size(); ++i) {
    const auto left = across((static_cast<double>(i) + 0.08) / count);
    const auto right = across((static_cast<double>(i) + 0.92) / count);
    const auto top = upwards(y.share(bars.counts[i]));
    const bool apart = i < bars.apart.size() && bars.apart[i];
    out << "<rect" << (apart ? " class=\"dead\"" : "") << " x=\"" << left << "\" y=\"" << top << "\" width=\""
        << right - left << "\" height=\"" << upwards(0) - top << "\"><title>" << escaped(bars.labels[i])
        << ": " << bars.counts[i] << "</title></rect><text class=\"x\" x=\"" << (left + right) / 2
        << "\" y=\"" << plot_height - plot_bottom + 20 << "\">" << escaped(bars.labels[i]) << "</text>\n";
  }
  out << end_of_frame(bars.title);
  return out.str();
}

}  // namespace msae::cli
