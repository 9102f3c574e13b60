#include "msae/data/statistics.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>

#include "data/read_blocks.h"

namespace msae::data {
namespace {

/// Sums of the deviations from one fixed row, and of their squares, column by column: in the order of the
/// rows, so that the result does not depend on the blocks they come in.
class Sums {
 public:
  explicit Sums(std::span<const float> origin)
      : origin_(origin.begin(), origin.end()), sum_(origin.size()), squares_(origin.size()) {}

  void add(std::span<const float> row) {
    const double* origin = origin_.data();
    double* sum = sum_.data();
    double* squares = squares_.data();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double deviation = static_cast<double>(row[i]) - origin[i];
      sum[i] += deviation;
      squares[i] += deviation * deviation;
    }
  }

  Statistics finish(std::int64_t rows) const {
    const auto n = static_cast<double>(rows);
    Statistics result{.rows = rows, .mean = origin_};
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      const double shift = sum_[i] / n;
      result.mean[i] += shift;
      // Rounding may leave a constant column a hair below zero.
      result.mean_squared_deviation += std::max(0.0, squares_[i] / n - shift * shift);
    }
    return result;
  }

 private:
  std::vector<double> origin_;
  std::vector<double> sum_;
  std::vector<double> squares_;
};

}  // namespace

Statistics statistics(EmbeddingSource& source, const std::function<void(double)>& progress) {
  const auto rows = source.rows();
  const auto dim = source.dim();
  if (rows < 1 || dim < 1) throw std::invalid_argument(source.name() + " has no rows to take statistics of");
  const auto width = static_cast<std::size_t>(dim);
  std::vector<float> origin(width);
  source.read(0, 1, origin);
  Sums sums(origin);
  read_blocks(source, progress, [&](std::int64_t, std::span<float> values) {
    for (std::size_t row = 0; row < values.size(); row += width) sums.add(values.subspan(row, width));
  });
  return sums.finish(rows);
}

}  // namespace msae::data
