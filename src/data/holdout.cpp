#include "data/holdout.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "data/random.h"

namespace msae::data {

Holdout::Holdout(std::int64_t rows, double share) : rows_(rows), share_(share) {
  // Every stratum must have a row, also where the rounded quotient of start() loses digits.
  constexpr double exact = 0x1p50;
  if (!(share > 0) || !((1 / share - 1) * exact > static_cast<double>(rows))) {
    std::ostringstream text;
    text.precision(17);  // 0.9999999999999999 would be shown as 1
    text << "share: must lie between 0 and 1, and not too close to 1, not " << share;
    throw std::invalid_argument(text.str());
  }
  strata_ = static_cast<std::int64_t>(static_cast<double>(rows) * share);
  while (strata_ > 0 && start(strata_) > rows) --strata_;
  while (start(strata_ + 1) <= rows) ++strata_;
}

std::int64_t Holdout::start(std::int64_t stratum) const {
  constexpr double beyond = 0x1p62;  // any number of rows; a tiny share divides to infinity
  return static_cast<std::int64_t>(std::min(beyond, std::ceil(static_cast<double>(stratum) / share_)));
}

std::int64_t Holdout::held_out_row(std::int64_t index) const {
  const auto first = start(index);
  const auto length = static_cast<std::uint64_t>(start(index + 1) - first);
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;
  const auto hash = scramble((static_cast<std::uint64_t>(index) + 1) * golden);
  return first + static_cast<std::int64_t>(hash % length);
}

std::int64_t Holdout::kept_row(std::int64_t index) const {
  // The last stratum that has no more than `index` kept rows before it; the quotient may err by one.
  auto stratum = static_cast<std::int64_t>(
      std::min(static_cast<double>(strata_), static_cast<double>(index) * share_ / (1 - share_)));
  while (stratum > 0 && kept_before(stratum) > index) --stratum;
  while (stratum < strata_ && kept_before(stratum + 1) <= index) ++stratum;
  const auto row = index + stratum;
  return stratum < strata_ && row >= held_out_row(stratum) ? row + 1 : row;
}

}  // namespace msae::data
