// Several runs beside each other as a web page that needs nothing but itself.
#pragma once

#include <string>

#include "cli/pareto_report.h"

namespace msae::cli {

/// HTML: the plot on logarithmic and linear axes, a legend and a table of all points.
std::string to_page(const ParetoReport& report);

}  // namespace msae::cli
