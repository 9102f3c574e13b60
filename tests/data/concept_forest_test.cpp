#include "data/concept_forest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace msae::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;

std::size_t index(std::int32_t node) {
  return static_cast<std::size_t>(node);
}

double cosine(const SyntheticTruth& truth, std::size_t a, std::size_t b) {
  const auto dim = static_cast<std::size_t>(truth.dim);
  const float* rows = truth.dictionary.data();
  return std::inner_product(rows + a * dim, rows + (a + 1) * dim, rows + b * dim, 0.0);
}

TEST(ConceptForest, PutsParentsBeforeTheirChildren) {
  const auto forest = grow_forest({.concepts = 9, .depth = 3, .active = 2});
  EXPECT_THAT(forest.truth.parent, ElementsAre(-1, 0, 1, 1, 0, 4, 4, -1, 7));
  EXPECT_THAT(forest.truth.depth, ElementsAre(1, 2, 3, 3, 2, 3, 3, 1, 2));
  EXPECT_THAT(forest.after, ElementsAre(7, 4, 3, 4, 7, 6, 7, 9, 9));
}

TEST(ConceptForest, HasEveryDepthHoweverFewTheConcepts) {
  EXPECT_THAT(grow_forest({.concepts = 4, .depth = 4, .active = 1}).truth.depth, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(grow_forest({.concepts = 3, .depth = 1, .active = 1}).truth.parent, Each(-1));
}

TEST(ConceptForest, MakesTheAskedNumberActiveOnAverage) {
  for (const double active : {0.5, 12.0, 60.0}) {
    for (const double zipf : {0.0, 1.0, 2.0}) {
      const auto frequency = grow_forest({.active = active, .zipf = zipf}).truth.frequency;
      EXPECT_NEAR(std::accumulate(frequency.begin(), frequency.end(), 0.0), active, 1e-9);
      EXPECT_THAT(frequency, Each(Le(0.9)));
    }
  }
}

TEST(ConceptForest, LetsFrequenciesFallAlongRootsAndSiblings) {
  const auto [truth, conditional, after, mean] = grow_forest({});
  double root_before = 1;
  for (std::size_t node = 0; node < truth.parent.size(); ++node) {
    if (truth.parent[node] < 0) {
      EXPECT_LT(truth.frequency[node], root_before);
      root_before = truth.frequency[node];
    } else {
      EXPECT_DOUBLE_EQ(truth.frequency[node], conditional[node] * truth.frequency[index(truth.parent[node])]);
    }
  }
  EXPECT_DOUBLE_EQ(conditional[1], 2.0 / 3);
  EXPECT_DOUBLE_EQ(conditional[4], 1.0 / 3);
}

TEST(ConceptForest, GivesChildrenTheCosineToTheirParents) {
  const auto truth = grow_forest({.parent_cosine = 0.3}).truth;
  for (std::size_t node = 0; node < truth.parent.size(); ++node) {
    EXPECT_NEAR(cosine(truth, node, node), 1, 1e-6);
    if (truth.parent[node] >= 0) {
      EXPECT_NEAR(cosine(truth, node, index(truth.parent[node])), 0.3, 1e-6);
    }
  }
}

TEST(ConceptForest, KeepsDirectionsOffTheMeanAndApart) {
  const auto forest = grow_forest({});
  const auto& truth = forest.truth;
  double largest = 0;
  for (std::size_t a = 0; a < truth.parent.size(); ++a) {
    const float* direction = truth.dictionary.data() + a * 128;
    EXPECT_NEAR(std::inner_product(direction, direction + 128, forest.mean_direction.begin(), 0.0), 0, 1e-6);
    if (truth.parent[a] >= 0) continue;
    for (std::size_t b = 0; b < a; ++b) {
      if (truth.parent[b] < 0) largest = std::max(largest, std::abs(cosine(truth, a, b)));
    }
  }
  EXPECT_LT(largest, 0.5) << "roots are random directions";
}

TEST(ConceptForest, RefusesMoreActiveConceptsThanThereCanBe) {
  try {
    grow_forest({.concepts = 10, .depth = 1, .active = 9.5});
    FAIL() << "grown";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr(
            "active: must be at most 9, the mean that 10 concepts in this hierarchy can reach, not 9.5"));
  }
}

}  // namespace
}  // namespace msae::data
