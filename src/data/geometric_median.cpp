#include "msae/data/geometric_median.h"

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include "data/read_blocks.h"
#include "msae/data/statistics.h"

namespace msae::data {
namespace {

double length(std::span<const double> vector) {
  double squares = 0;
  for (const double value : vector) squares += value * value;
  return std::sqrt(squares);
}

/// How the rows pull at a centre: the sum of their weighted deviations, in the order of the rows. Those near
/// the centre are kept apart.
class Pull {
 public:
  Pull(std::span<const double> centre, double tolerance)
      : centre_(centre),
        tolerance_(tolerance),
        deviation_(centre.size()),
        far_(centre.size()),
        near_(centre.size()) {}

  void add(std::span<const float> row) {
    double squares = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      deviation_[i] = static_cast<double>(row[i]) - centre_[i];
      squares += deviation_[i] * deviation_[i];
    }
    const double distance = std::sqrt(squares);
    const bool is_near = distance < tolerance_;
    const double weight = 1 / (is_near ? tolerance_ : distance);
    auto& sum = is_near ? near_ : far_;
    for (std::size_t i = 0; i < row.size(); ++i) sum[i] += weight * deviation_[i];
    (is_near ? near_weight_ : far_weight_) += weight;
    near_rows_ += is_near ? 1 : 0;
  }

  /// To the weighted mean of all rows.
  std::vector<double> step() const {
    auto shift = far_;
    for (std::size_t i = 0; i < shift.size(); ++i) {
      shift[i] = (shift[i] + near_[i]) / (far_weight_ + near_weight_);
    }
    return shift;
  }

  /// Whether the centre is at a row that alone holds it: the others pull harder than the rows there can hold.
  bool is_stuck() const { return near_rows_ > 0 && length(far_) > near_rows_; }

  /// Away from that row, to where the others pull.
  std::vector<double> escape() const {
    auto shift = far_;
    const double share = (1 - near_rows_ / length(far_)) / far_weight_;
    for (double& value : shift) value *= share;
    return shift;
  }

 private:
  std::span<const double> centre_;
  double tolerance_;
  std::vector<double> deviation_, far_, near_;
  double far_weight_ = 0, near_weight_ = 0, near_rows_ = 0;
};

}  // namespace

void GeometricMedianOptions::validate() const {
  if (!(tolerance > 0) || !std::isfinite(tolerance)) {
    throw std::invalid_argument("tolerance: must be a positive number, not " + std::to_string(tolerance));
  }
  if (iterations < 1) {
    throw std::invalid_argument("iterations: must be at least 1, not " + std::to_string(iterations));
  }
}

std::vector<double> geometric_median(EmbeddingSource& rows, const GeometricMedianOptions& options,
                                     const std::function<void(double)>& progress) {
  options.validate();
  const auto passes = static_cast<double>(options.iterations) + 1;
  double done = 0;
  const auto report = [&](double share) {
    if (progress) progress((done + share) / passes);
  };
  auto centre = statistics(rows, report).mean;
  const auto width = centre.size();
  for (std::int64_t step = 1; step <= options.iterations; ++step) {
    done = static_cast<double>(step);
    Pull pull(centre, options.tolerance);
    read_blocks(rows, report, [&](std::int64_t, std::span<float> values) {
      for (std::size_t at = 0; at < values.size(); at += width) pull.add(values.subspan(at, width));
    });
    auto shift = pull.step();
    if (length(shift) <= options.tolerance && pull.is_stuck()) shift = pull.escape();
    for (std::size_t i = 0; i < width; ++i) centre[i] += shift[i];
    if (length(shift) <= options.tolerance) break;
  }
  if (progress) progress(1);
  return centre;
}

}  // namespace msae::data
