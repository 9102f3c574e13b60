/// \file
/// Which rows of a file are held out: see held_out() in views.h. Numbers alone.
#pragma once

#include <cstdint>

namespace msae::data {

/// Both parts of `rows` rows, each by a formula: no list of rows is ever made.
class Holdout {
 public:
  /// \throws std::invalid_argument unless 0 < share < 1, and by more than rounding
  Holdout(std::int64_t rows, double share);

  std::int64_t held_out_rows() const { return strata_; }
  std::int64_t kept_rows() const { return rows_ - strata_; }

  /// The `index`-th row that is held out, and the `index`-th that is not.
  std::int64_t held_out_row(std::int64_t index) const;
  std::int64_t kept_row(std::int64_t index) const;

 private:
  std::int64_t start(std::int64_t stratum) const;
  /// Kept rows before a stratum.
  std::int64_t kept_before(std::int64_t stratum) const { return start(stratum) - stratum; }

  std::int64_t rows_;
  double share_;
  std::int64_t strata_ = 0;  ///< those that lie within the rows
};

}  // namespace msae::data
