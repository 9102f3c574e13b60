// The points of several runs as a picture for a web page (SVG), which shows without any script.
#pragma once

#include <cstddef>
#include <string>

#include "cli/pareto_report.h"

namespace msae::cli {

/// Whether a point has a place in the plot: one of FVU above 1 is worse than the mean of the data, and would
/// leave the others no room.
bool is_drawn(const eval::Point& point);

/// Active latents to the right, FVU upwards: a line and a shape of marker for each run, hollow where a point
/// is dominated, and the frontier in steps. The page's style sheet knows the classes.
std::string plot(const ParetoReport& report, bool logarithmic);

/// Line and marker of the run of that number, for the legend.
std::string legend_mark(std::size_t run);

}  // namespace msae::cli
