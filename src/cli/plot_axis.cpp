#include "cli/plot_axis.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace msae::cli {
namespace {

constexpr std::size_t most_ticks = 9;  // for labels that do not run into each other
constexpr double most_ratio = 1e6;     // of the ends of a logarithmic axis

// Every second, third, ... of them, the last one always; of several to a power the powers alone.
std::vector<double> thinned(const std::vector<double>& all, std::size_t to_a_power) {
  auto every = (all.size() + most_ticks - 1) / most_ticks;
  if (every > 1) every = (every + to_a_power - 1) / to_a_power * to_a_power;
  std::vector<double> some;
  for (std::size_t i = (all.size() - 1) % every; i < all.size(); i += every) some.push_back(all[i]);
  return some;
}

// With the ends at ticks.
Axis logarithmic_axis(double least, double most, double base, const std::vector<double>& mantissas) {
  most = std::isfinite(most) && most > 0 ? most : 1;
  least = std::clamp(least, most / most_ratio, most);
  std::vector<double> all;
  for (auto power = std::floor(std::log(least) / std::log(base)) - 1; all.empty() || all.back() < most;
       ++power) {
    for (const auto mantissa : mantissas) all.push_back(mantissa * std::pow(base, power));
  }
  while (all.size() > 2 && all[all.size() - 2] >= most) all.pop_back();
  const auto first = std::find_if(all.begin(), all.end() - 2, [&](double tick) { return tick > least; });
  all.erase(all.begin(), first == all.begin() ? first : first - 1);
  return {
      .logarithmic = true, .least = all.front(), .most = all.back(), .ticks = thinned(all, mantissas.size())};
}

}  // namespace

double Axis::share(double value) const {
  const auto at = std::clamp(value, least, most);
  return logarithmic ? std::log(at / least) / std::log(most / least) : (at - least) / (most - least);
}

Axis linear_axis(double most) {
  most = std::isfinite(most) && most > 0 ? most : 1;
  double step = std::pow(10, std::floor(std::log10(most / 5)));
  for (const auto factor : {2.0, 2.5, 2.0}) {
    if (most / step > 6) step *= factor;
  }
  Axis axis;
  const auto count = static_cast<int>(std::ceil(most / step - 1e-9));
  for (int i = 0; i <= count; ++i) axis.ticks.push_back(step * i);
  axis.most = axis.ticks.back();
  return axis;
}

Axis binary_axis(double least, double most) {
  return logarithmic_axis(least, most, 2, {1});
}

Axis decimal_axis(double least, double most) {
  return logarithmic_axis(least, most, 10, {1, 2, 5});
}

std::string tick_label(double value) {
  std::ostringstream text;
  text.precision(6);
  text << value;
  return text.str();
}

}  // namespace msae::cli
