// Small plots for web pages (SVG), which show without any script.
#pragma once

#include <string>
#include <vector>

namespace msae::cli {

struct Curve {
  std::string title, x_name;
  std::vector<double> x, y;  ///< as many; x ascends
  bool logarithmic = false;  ///< the axis of y
};
/// A curve; a sentence where there are fewer than two points to draw.
std::string curve_plot(const Curve& curve);

struct Bars {
  std::string title, x_name;
  std::vector<std::string> labels;
  std::vector<double> counts;
  std::vector<bool> apart;  ///< which are drawn in grey, as they count something else; may be empty
};
std::string bar_plot(const Bars& bars);

}  // namespace msae::cli
