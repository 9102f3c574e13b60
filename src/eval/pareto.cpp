#include "msae/eval/pareto.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace msae::eval {
namespace {

// Where hypervolume() begins and ends, as the logarithm of 8 and 1024 active latents.
constexpr double least_x = 3, most_x = 10;

bool is_point(const ParetoPoint& point) {
  return std::isfinite(point.active) && std::isfinite(point.fvu) && point.active >= 0 && point.fvu >= 0;
}

// x and y of hypervolume(), by x ascending and then y descending.
std::vector<std::pair<double, double>> on_its_scale(const std::vector<ParetoPoint>& points) {
  std::vector<std::pair<double, double>> scaled;
  for (const auto& point : points) {
    if (!is_point(point)) continue;
    const auto x = std::max(least_x, std::log2(point.active));  // of 0 it is minus infinity
    if (x <= most_x) scaled.emplace_back(x, std::max(0.0, 1 - point.fvu));
  }
  std::sort(scaled.begin(), scaled.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  return scaled;
}

}  // namespace

ParetoFrontier::ParetoFrontier(std::vector<ParetoPoint> points)
    : points_(std::move(points)), dominated_(points_.size(), true) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < points_.size(); ++i) {
    if (is_point(points_[i])) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    return std::tie(points_[a].active, points_[a].fvu, a) < std::tie(points_[b].active, points_[b].fvu, b);
  });
  const ParetoPoint* last = nullptr;
  for (const auto i : order) {
    const auto& point = points_[i];
    const bool equal = last && point.active == last->active && point.fvu == last->fvu;
    if (last && !equal && point.fvu >= last->fvu) continue;
    last = &point;
    dominated_[i] = false;
    frontier_.push_back(i);
  }
}

double hypervolume(const std::vector<ParetoPoint>& points) {
  double area = 0, from = least_x, height = 0;
  bool begun = false;
  for (const auto& [x, y] : on_its_scale(points)) {
    if (begun && y <= height) continue;
    if (begun) area += (x - from) * (height + y) / 2;
    begun = true;
    from = x;
    height = y;
  }
  return (area + (begun ? (most_x - from) * height : 0)) / (most_x - least_x);
}

}  // namespace msae::eval
