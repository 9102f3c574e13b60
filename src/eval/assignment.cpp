#include "eval/assignment.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

namespace msae::eval {
namespace {

constexpr auto none = static_cast<std::size_t>(-1);

/// Costs are negative scores. Prices of rows and columns are such that cost - row price - column price, the
/// reduced cost, is nowhere negative, is 0 for pairs that are assigned, and columns without a row cost 0.
class Assignment {
 public:
  Assignment(std::span<const double> scores, std::size_t rows, std::size_t columns)
      : scores_(scores),
        columns_(columns),
        row_price_(rows),
        column_price_(columns),
        column_of_(rows, none),
        row_of_(columns, none),
        distance_(columns),
        through_(columns) {}

  std::vector<std::int64_t> solve() {
    take_best_columns();
    for (std::size_t row = 0; row < column_of_.size(); ++row) {
      if (column_of_[row] == none) augment(row);
    }
    return {column_of_.begin(), column_of_.end()};
  }

 private:
  /// Each row gets its best column, unless an earlier row has it.
  void take_best_columns() {
    for (std::size_t row = 0; row < column_of_.size(); ++row) {
      const auto scores = scores_.subspan(row * columns_, columns_);
      const auto best = std::max_element(scores.begin(), scores.end());
      row_price_[row] = -*best;
      assign_if_free(row, static_cast<std::size_t>(best - scores.begin()));
    }
  }

  void assign_if_free(std::size_t row, std::size_t column) {
    if (row_of_[column] != none) return;
    row_of_[column] = row;
    column_of_[row] = column;
  }

  /// Finds the cheapest way from a row without a column to a column without a row, and swaps along it.
  void augment(std::size_t start) {
    std::fill(distance_.begin(), distance_.end(), std::numeric_limits<double>::infinity());
    open_.resize(columns_);
    std::iota(open_.begin(), open_.end(), std::size_t{0});
    visited_.clear();
    double reached = 0;
    auto column = none;
    for (auto row = start; row != none; row = row_of_[column]) {
      const auto nearest = relax(row, reached);
      column = open_[nearest];
      reached = distance_[column];
      visited_.push_back(column);
      open_[nearest] = open_.back();
      open_.pop_back();
    }
    update_prices(start, reached);
    swap_along(start, column);
  }

  /// Looks from a row, which is `reached` away, at the columns that are open.
  /// \return the place in open_ of the nearest of them, of equals one without a row, then the lowest
  std::size_t relax(std::size_t row, double reached) {
    const auto* scores = scores_.data() + row * columns_;
    const double base = reached - row_price_[row];
    std::size_t nearest = 0;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const auto column = open_[i];
      const double distance = base - scores[column] - column_price_[column];
      if (distance < distance_[column]) {
        distance_[column] = distance;
        through_[column] = row;
      }
      if (is_nearer(column, open_[nearest])) nearest = i;
    }
    return nearest;
  }

  bool is_nearer(std::size_t a, std::size_t b) const {
    if (distance_[a] != distance_[b]) return distance_[a] < distance_[b];
    const bool a_is_free = row_of_[a] == none, b_is_free = row_of_[b] == none;
    return a_is_free != b_is_free ? a_is_free : a < b;
  }

  void update_prices(std::size_t start, double reached) {
    row_price_[start] += reached;
    for (const auto column : visited_) {
      const double change = reached - distance_[column];
      column_price_[column] -= change;
      if (row_of_[column] != none) row_price_[row_of_[column]] += change;
    }
  }

  void swap_along(std::size_t start, std::size_t column) {
    while (true) {
      const auto row = through_[column];
      row_of_[column] = row;
      std::swap(column_of_[row], column);
      if (row == start) return;
    }
  }

  std::span<const double> scores_;
  std::size_t columns_;
  std::vector<double> row_price_, column_price_;
  std::vector<std::size_t> column_of_;  ///< [rows]
  std::vector<std::size_t> row_of_;     ///< [columns]
  std::vector<double> distance_;        ///< [columns], of the way from the row that is augmented
  std::vector<std::size_t> through_;    ///< [columns], the last row on that way
  std::vector<std::size_t> open_, visited_;
};

}  // namespace

std::vector<std::int64_t> best_assignment(std::span<const double> scores, std::int64_t rows,
                                          std::int64_t columns) {
  return Assignment(scores, static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)).solve();
}

}  // namespace msae::eval
