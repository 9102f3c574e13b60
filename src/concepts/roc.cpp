#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "concepts/groups.h"
#include "msae/concepts/bias.h"

namespace msae::concepts {

Groups groups_of(std::span<const std::uint8_t> attribute, std::int64_t rows) {
  if (static_cast<std::int64_t>(attribute.size()) != rows) {
    throw std::invalid_argument("attribute: " + std::to_string(attribute.size()) + " values for " +
                                std::to_string(rows) + " rows");
  }
  Groups groups;
  for (std::size_t i = 0; i < attribute.size(); ++i) {
    if (attribute[i] > 1) {
      throw std::invalid_argument("attribute: values are 0 or 1, but that of row " + std::to_string(i) +
                                  " is " + std::to_string(attribute[i]));
    }
    ++(attribute[i] == 1 ? groups.with : groups.without);
  }
  if (groups.with == 0 || groups.without == 0) {
    throw std::invalid_argument(std::string("attribute: no row ") + (groups.with == 0 ? "has" : "lacks") +
                                " it, and there is nothing to compare with");
  }
  return groups;
}

double area_under_roc(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  const auto groups = groups_of(positive, static_cast<std::int64_t>(scores.size()));
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] < scores[b]; });
  double below = 0, wins = 0;  // negatives that came before; pairs
  for (std::size_t first = 0; first < order.size();) {
    auto last = first;
    double with = 0, without = 0;
    for (; last < order.size() && scores[order[last]] == scores[order[first]]; ++last) {
      ++(positive[order[last]] == 1 ? with : without);
    }
    wins += with * (below + without / 2);
    below += without;
    first = last;
  }
  return wins / (static_cast<double>(groups.with) * static_cast<double>(groups.without));
}

}  // namespace msae::concepts
