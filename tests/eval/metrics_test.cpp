#include "msae/eval/metrics.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(FvuPerRow, ComparesVariancesAcrossCoordinates) {
  const auto x = torch::tensor({{1.0, 2.0, 3.0}}, torch::kFloat64),
             y = torch::tensor({{1.0, 2.0, 5.0}}, torch::kFloat64);
  // residual 0 0 -2: variance 4/3; row: variance 1
  EXPECT_NEAR(fvu_per_row(x, y).item<double>(), 4.0 / 3, 1e-14);
}

TEST(FvuPerRow, DoesNotSeeAConstantOffset) {
  const auto x = test::random({4, 6}, 1);
  EXPECT_CLOSE(fvu_per_row(x, x + 3), torch::zeros({4}, torch::kFloat64), 1e-14);
}

TEST(CosinePerRow, IsTheCosine) {
  const auto cosine = cosine_per_row(torch::tensor({{3.0, 4.0}, {1.0, 0.0}}, torch::kFloat64),
                                     torch::tensor({{4.0, 3.0}, {0.0, 5.0}}, torch::kFloat64));
  EXPECT_NEAR(cosine[0].item<double>(), 0.96, 1e-14);
  EXPECT_EQ(cosine[1].item<double>(), 0);
}

TEST(NmaePerRow, IsRelativeToTheRow) {
  EXPECT_NEAR(nmae_per_row(torch::tensor({{1.0, -3.0}}, torch::kFloat64),
                           torch::tensor({{2.0, -1.0}}, torch::kFloat64))
                  .item<double>(),
              0.75, 1e-14);
}

TEST(RowMetrics, AreNanWhereThereIsNoRatio) {
  const auto zero = torch::zeros({1, 3}, torch::kFloat64), one = torch::ones({1, 3}, torch::kFloat64);
  EXPECT_TRUE(cosine_per_row(zero, one).isnan().item<bool>());
  EXPECT_TRUE(cosine_per_row(one, zero).isnan().item<bool>());
  EXPECT_TRUE(nmae_per_row(zero, one).isnan().item<bool>());
  EXPECT_TRUE(fvu_per_row(one, zero).isnan().item<bool>());
  EXPECT_THROW(cosine_per_row(zero, zero[0]), c10::Error);
}

TEST(DecoderOrthogonality, IsTheMeanSquaredDotProductOfDifferentRows) {
  for (const auto& shape : {std::vector<std::int64_t>{7, 3}, {3, 7}, {1, 4}}) {
    const auto rows = test::random(shape, 1);
    auto products = rows.mm(rows.t());
    products.fill_diagonal_(0);
    EXPECT_NEAR(decoder_orthogonality(rows),
                products.square().sum().item<double>() / static_cast<double>(shape[0] * shape[0]), 1e-12);
  }
}

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
