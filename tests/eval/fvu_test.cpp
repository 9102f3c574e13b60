#include "msae/eval/fvu.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/metrics_golden.h"
#include "support/tensors.h"
#include "support/threads.h"

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

TEST(FvuPerRow, IsNanWhereTheRowIsConstant) {
  const auto zero = torch::zeros({1, 3}, torch::kFloat64), one = torch::ones({1, 3}, torch::kFloat64);
  EXPECT_TRUE(fvu_per_row(one, zero).isnan().item<bool>());
  EXPECT_TRUE(fvu_per_row(zero, one).isnan().item<bool>());
  EXPECT_EQ(fvu_per_row(zero.slice(0, 0, 0), one.slice(0, 0, 0)).numel(), 0);
  EXPECT_THROW(fvu_per_row(zero, zero[0]), c10::Error);
}

TEST(FvuPerRow, IsThePublishedOne) {
  for (const auto* kind : {"f64", "f32", "perfect"}) {
    const auto ours = fvu_per_row(test::reconstruction(kind, "x"), test::reconstruction(kind, "y"));
    EXPECT_CLOSE(ours, test::reconstruction(kind, "fvu_rows"), 1e-6);
    EXPECT_CLOSE(ours.mean(), test::reconstruction(kind, "fvu"), 1e-6);
  }
}

// The published one has infinity there, and so no mean.
TEST(FvuPerRow, IsThePublishedOneBesideRowsThatHaveNone) {
  for (const auto* kind : {"zero_row", "constant_row"}) {
    const auto expected = test::reconstruction(kind, "fvu_rows");
    const auto ours = fvu_per_row(test::reconstruction(kind, "x"), test::reconstruction(kind, "y"));
    const auto exists = expected.isfinite();
    EXPECT_EQ(exists.logical_not().sum().item<int>(), 1) << kind;
    EXPECT_TRUE(ours.isnan().equal(exists.logical_not())) << kind;
    EXPECT_CLOSE(ours.index({exists}), expected.index({exists}), 1e-6);
  }
}

torch::Tensor far_rows() {
  return test::random({40, 5}, 1) + 1e6;
}

double plain_deviation(const torch::Tensor& rows) {
  return (rows - rows.mean(0)).square().sum().item<double>();
}

TEST(Deviation, IsTheSumOfSquaresAroundTheMeanInAnyBatches) {
  const auto rows = far_rows();
  for (const std::int64_t batch : {1, 7, 40}) {
    Deviation deviation;
    for (const auto& part : rows.split(batch)) deviation.add(part);
    EXPECT_NEAR(deviation.value(), plain_deviation(rows), 1e-8 * plain_deviation(rows));
    EXPECT_EQ(deviation.rows(), 40);
  }
}

TEST(Deviation, TellsOfAnyPoint) {
  const auto rows = test::random({40, 5}, 1), point = test::random({5}, 2);
  Deviation deviation;
  for (const auto& part : rows.split(9)) deviation.add(part);
  EXPECT_NEAR(deviation.about(point), (rows - point).square().sum().item<double>(), 1e-11);
  EXPECT_NEAR(deviation.about(), rows.square().sum().item<double>(), 1e-11);
  EXPECT_THROW(deviation.about(point.slice(0, 1)), c10::Error);
}

TEST(Deviation, OfNothingOrOneRowIsZero) {
  Deviation deviation;
  EXPECT_EQ(deviation.about(), 0);
  deviation.add(torch::empty({0, 5}, torch::kFloat64));
  EXPECT_EQ(deviation.value(), 0);
  deviation.add(far_rows().slice(0, 0, 1));
  EXPECT_EQ(deviation.value(), 0);
  EXPECT_GT(deviation.about(), 0);
  EXPECT_THROW(deviation.add(test::random({2, 4}, 1)), c10::Error);
}

double explained(const torch::Tensor& rows, const torch::Tensor& reconstruction, std::int64_t batch = 1000) {
  ExplainedVariance variance;
  const auto x = rows.split(batch), y = reconstruction.split(batch);
  for (std::size_t i = 0; i < x.size(); ++i) variance.add(x[i], y[i]);
  return variance.value();
}

TEST(ExplainedVariance, ComparesVariancesOverRows) {
  const auto x = torch::tensor({{1.0, 0.0}, {3.0, 4.0}}, torch::kFloat64),
             y = torch::tensor({{1.0, 0.0}, {3.0, 2.0}}, torch::kFloat64);
  // variances of x: 2 and 8, of the residual: 0 and 2
  EXPECT_NEAR(explained(x, y), 1 - 2.0 / 10, 1e-14);
}

TEST(ExplainedVariance, IgnoresAResidualThatIsTheSameInEveryRow) {
  const auto x = test::random({30, 6}, 1), offset = test::random({6}, 2);
  EXPECT_NEAR(explained(x, x + offset), 1, 1e-14);
  EXPECT_NEAR(explained(x, offset.expand({30, 6})), 0, 1e-14);
}

TEST(ExplainedVariance, IsThatOfAllRowsAtOnceInAnyBatchesAndOrder) {
  const auto x = test::random({50, 6}, 1) + 100, y = x + 0.3 * test::random({50, 6}, 2);
  const double plain = 1 - ((x - y).var(0).sum() / x.var(0).sum()).item<double>();
  for (const std::int64_t batch : {1, 7, 50}) EXPECT_NEAR(explained(x, y, batch), plain, 1e-12);
  EXPECT_NEAR(explained(x.flip(0), y.flip(0), 7), plain, 1e-12);
  const test::Threads one(1);
  EXPECT_NEAR(explained(x, y), plain, 1e-12);
}

TEST(ExplainedVariance, IsNanWhereTheRowsDoNotVary) {
  const auto x = test::random({1, 6}, 1);
  EXPECT_TRUE(std::isnan(ExplainedVariance().value()));
  EXPECT_TRUE(std::isnan(explained(x, x)));
  EXPECT_TRUE(std::isnan(explained(torch::ones({3, 2}), torch::zeros({3, 2}))));
  EXPECT_THROW(ExplainedVariance().add(x, x[0]), c10::Error);
}

}  // namespace
}  // namespace msae::eval
