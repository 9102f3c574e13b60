/// \file
/// Rows that were found, against the scores of all rows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "concepts/small_codes.h"
#include "msae/concepts/search.h"

namespace msae::test {

/// All rows, descending by score, ties by row.
inline std::vector<std::int64_t> plain_order(const std::vector<double>& scores) {
  std::vector<std::int64_t> order(scores.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return scores[place(a)] > scores[place(b)]; });
  return order;
}

/// Scores of a cosine are rounded, so that rows of equal score by the formula may come in another order;
/// those of quarters by distance are exact.
inline void expect_hits(const std::vector<concepts::Hit>& found, const std::vector<double>& scores,
                        std::int64_t count, double tolerance) {
  const auto order = plain_order(scores);
  ASSERT_EQ(found.size(), std::min(order.size(), place(count)));
  std::vector<bool> seen(scores.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_GE(found[i].row, 0);
    ASSERT_LT(place(found[i].row), scores.size());
    EXPECT_FALSE(seen[place(found[i].row)]) << "twice";
    seen[place(found[i].row)] = true;
    EXPECT_NEAR(found[i].score, scores[place(found[i].row)], tolerance);
    EXPECT_NEAR(found[i].score, scores[place(order[i])], tolerance) << "the best there are, in their order";
    if (tolerance == 0) {
      EXPECT_EQ(found[i].row, order[i]);
    }
    if (i == 0) continue;
    const bool descends = found[i].score < found[i - 1].score ||
                          (found[i].score == found[i - 1].score && found[i].row > found[i - 1].row);
    EXPECT_TRUE(descends) << i;
  }
}

}  // namespace msae::test
