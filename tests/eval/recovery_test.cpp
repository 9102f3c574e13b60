#include "msae/eval/recovery.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(ConceptRecovery, OfTheTruthItselfIsPerfect) {
  const auto truth = test::random({6, 16}, 1);
  const auto table = concept_recovery(-test::random({3, 16}, 2), truth, {1, 1, 2, 2, 2, 3});
  ASSERT_EQ(table.size(), 4u);
  EXPECT_EQ(table[0].concepts, 6);
  EXPECT_EQ(table[2].depth, 2);
  EXPECT_EQ(table[2].concepts, 3);
  EXPECT_LT(table[0].cosine, 0.9);

  const auto perfect =
      concept_recovery(torch::cat({test::random({3, 16}, 2), truth * 5}), truth, {1, 1, 2, 2, 2, 3});
  for (const auto& row : perfect) {
    EXPECT_NEAR(row.cosine, 1, 1e-12);
    EXPECT_EQ(row.above, 1);
    EXPECT_LT(row.random_cosine, 0.9);
  }
}

TEST(ConceptRecovery, TakesTheBestRowOfEachConcept) {
  const auto truth = torch::tensor({{1.0, 0.0}, {0.0, 1.0}}, torch::kFloat64);
  const auto dictionary = torch::tensor({{2.0, 0.0}, {1.0, 1.0}, {-1.0, 0.0}}, torch::kFloat64);
  const auto table = concept_recovery(dictionary, truth, {1, 2});
  EXPECT_NEAR(table[0].cosine, (1 + std::sqrt(0.5)) / 2, 1e-14);
  EXPECT_EQ(table[0].above, 0.5);
  EXPECT_EQ(table[1].above, 1);
  EXPECT_EQ(table[2].above, 0);
}

TEST(ConceptRecovery, RefusesShapesThatDoNotFit) {
  EXPECT_THROW(concept_recovery(test::random({3, 4}, 1), test::random({3, 5}, 1), {1, 1, 1}), c10::Error);
  EXPECT_THROW(concept_recovery(test::random({3, 4}, 1), test::random({3, 4}, 1), {1, 1}), c10::Error);
}

}  // namespace
}  // namespace msae::eval
