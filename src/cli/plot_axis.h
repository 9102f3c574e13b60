// From numbers to places along one side of a plot.
#pragma once

#include <string>
#include <vector>

namespace msae::cli {

struct Axis {
  bool logarithmic = false;
  double least = 0, most = 1;  ///< of the numbers it shows; others are put to its ends
  std::vector<double> ticks;   ///< round numbers from least to most

  /// Where a number lies, from 0 at `least` to 1 at `most`.
  double share(double value) const;
};

/// From 0 to beyond `most`, a tick at each 1, 2 or 5 times a power of ten.
Axis linear_axis(double most);
/// From below `least`, but not below a millionth of `most`, to beyond `most`; ticks at powers of two.
Axis binary_axis(double least, double most);
/// The same with ticks at 1, 2 and 5 times powers of ten.
Axis decimal_axis(double least, double most);

/// A tick's number as people write it: 0.05, 512.
std::string tick_label(double value);

}  // namespace msae::cli
