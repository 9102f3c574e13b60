#include "msae/eval/monosemanticity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

torch::Tensor scores(const torch::Tensor& latents, const torch::Tensor& rows, std::int64_t batch = 1000) {
  Monosemanticity score(latents.size(1), rows.size(1));
  for (std::int64_t first = 0; first < rows.size(0); first += batch) {
    score.add(latents.slice(0, first, first + batch), rows.slice(0, first, first + batch));
  }
  return score.scores();
}

/// All pairs of rows, one after the other.
torch::Tensor naive(const torch::Tensor& latents, const torch::Tensor& rows) {
  auto weighted = torch::zeros({latents.size(1)}, torch::kFloat64), weights = torch::zeros_like(weighted);
  for (std::int64_t n = 0; n < rows.size(0); ++n) {
    for (std::int64_t m = 0; m < rows.size(0); ++m) {
      if (n == m) continue;
      const double lengths = (rows[n].norm() * rows[m].norm()).item<double>();
      const double cosine = lengths > 0 ? rows[n].dot(rows[m]).item<double>() / lengths : 0;
      weighted += latents[n] * latents[m] * cosine;
      weights += latents[n] * latents[m];
    }
  }
  return weighted / weights;  // 0 / 0 is NaN
}

torch::Tensor activations(at::IntArrayRef shape, std::uint64_t seed) {
  return (test::random(shape, seed) - 0.5).relu();
}

void expect_same(const torch::Tensor& a, const torch::Tensor& b, double tolerance) {
  EXPECT_TRUE(a.isnan().equal(b.isnan())) << a << b;
  EXPECT_LE((a - b).nan_to_num().abs().max().item<double>(), tolerance) << a << b;
}

TEST(Monosemanticity, IsTheWeightedMeanOfAllPairs) {
  auto rows = test::random({23, 5}, 1);
  rows[7].zero_();
  auto latents = activations({23, 9}, 2);
  latents.select(1, 2).zero_();
  latents.select(1, 3).zero_();
  latents[4][3] = 2;  // on one row only
  const auto expected = naive(latents, rows);
  EXPECT_EQ(expected.isnan().sum().item<std::int64_t>(), 2);
  expect_same(scores(latents, rows), expected, 1e-14);
}

TEST(Monosemanticity, DoesNotDependOnBatchesOrderOrThreads) {
  const auto rows = test::random({700, 6}, 1), latents = activations({700, 11}, 2);
  const auto whole = scores(latents, rows);
  for (const std::int64_t batch : {1, 2, 255, 256, 257, 699})
    expect_same(scores(latents, rows, batch), whole, 1e-13);
  const auto backwards = torch::arange(699, -1, -1);
  expect_same(scores(latents.index_select(0, backwards), rows.index_select(0, backwards)), whole, 1e-13);
  const test::Threads one(1);
  expect_same(scores(latents, rows), whole, 1e-13);
}

TEST(Monosemanticity, IsOneWhereAllRowsPointOneWay) {
  const auto rows = torch::ones({4, 3}) * torch::tensor({{1.f}, {2.f}, {0.5f}, {7.f}});
  const auto score = scores(torch::ones({4, 2}), rows);
  EXPECT_NEAR(score[0].item<double>(), 1, 1e-14);
  EXPECT_NEAR(scores(torch::ones({2, 1}), torch::tensor({{1.f, 0.f}, {-3.f, 0.f}})).item<double>(), -1,
              1e-14);
}

TEST(Monosemanticity, KeepsItsDigitsBesideOneStrongRow) {
  const auto rows = test::random({40, 8}, 1);
  auto latents = torch::ones({40, 1}, torch::kFloat64);
  for (const std::int64_t strong : {0, 17, 39}) {
    auto weights = latents.clone();
    weights[strong] = 1e20;
    // Pairs without the strong row have no weight to speak of.
    const auto unit = rows / rows.norm(2, 1, true);
    const double expected = (unit.mv(unit[strong]).sum().item<double>() - 1) / 39;
    EXPECT_NEAR(scores(weights, rows).item<double>(), expected, 1e-13);
    EXPECT_NEAR(scores(weights, rows, 1).item<double>(), expected, 1e-13);
  }
}

TEST(Monosemanticity, DoesNotSeeTheScaleOfRowsOrActivations) {
  const auto rows = test::random({30, 4}, 1), latents = activations({30, 3}, 2);
  expect_same(scores(latents * 1e-30, rows * 1e25), scores(latents, rows), 1e-13);
  expect_same(scores(latents.to(torch::kFloat32), rows.to(torch::kFloat32)), scores(latents, rows), 1e-6);
}

TEST(Monosemanticity, HasNoScoreBeforeTwoRows) {
  Monosemanticity score(2, 3);
  EXPECT_TRUE(score.scores().isnan().all().item<bool>());
  score.add(torch::zeros({0, 2}), torch::zeros({0, 3}));
  score.add(torch::ones({1, 2}), torch::ones({1, 3}));
  EXPECT_TRUE(score.scores().isnan().all().item<bool>());
}

TEST(Monosemanticity, RefusesWhatDoesNotFit) {
  using testing::HasSubstr;
  Monosemanticity score(2, 3);
  const auto refusal = [&](const torch::Tensor& latents, const torch::Tensor& rows) {
    return test::error_of<c10::Error>([&] { score.add(latents, rows); });
  };
  const auto two = torch::ones({5, 2}), three = torch::ones({5, 3});
  EXPECT_THAT(refusal(three, three), HasSubstr("[5, 3]"));
  EXPECT_THAT(refusal(two, two), HasSubstr("[5, 2]"));
  EXPECT_THAT(refusal(two.slice(0, 1), three), HasSubstr("[4, 2]"));
  EXPECT_THAT(refusal(-two, three), HasSubstr("negative, got -1"));
  EXPECT_THAT(refusal(two * NAN, three), HasSubstr("NaN"));
  EXPECT_THAT(refusal(two, three * INFINITY), HasSubstr("Inf"));
  EXPECT_TRUE(score.scores().isnan().all().item<bool>()) << "what is refused is not counted";
  EXPECT_THAT(test::error_of<std::invalid_argument>([] { Monosemanticity(0, 3); }), HasSubstr("latents: "));
  EXPECT_THAT(test::error_of<std::invalid_argument>([] { Monosemanticity(3, -1); }), HasSubstr("dim: "));
  EXPECT_THROW(Monosemanticity(INT64_MAX, 8), Error);
}

}  // namespace
}  // namespace msae::eval
