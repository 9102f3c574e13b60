#include "msae/ops/losses.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace msae {
namespace {

TEST(Nmse, IsTheMeanOverRowsOfErrorOverNorm) {
  const auto input = torch::tensor({{3.0, 4.0}, {0.0, 2.0}}, torch::kFloat64);
  const auto reconstruction = torch::tensor({{3.0, 3.0}, {1.0, 2.0}}, torch::kFloat64);
  EXPECT_DOUBLE_EQ(ops::nmse(reconstruction, input).item<double>(), (1.0 / 25 + 1.0 / 4) / 2);
}

TEST(Nmse, MeasuresNormsFromTheGivenMean) {
  const auto input = torch::tensor({{3.0, 4.0}}, torch::kFloat64);
  EXPECT_DOUBLE_EQ(
      ops::nmse(torch::zeros({1, 2}, torch::kFloat64), input, torch::tensor({2.0, 4.0}, torch::kFloat64))
          .item<double>(),
      25);
}

TEST(Nmse, LeavesOutRowsWithoutANorm) {
  const auto input = torch::tensor({{0.0, 0.0}, {0.0, 2.0}}, torch::kFloat64);
  auto reconstruction = torch::tensor({{5.0, 5.0}, {1.0, 2.0}}, torch::kFloat64).requires_grad_();
  const auto loss = ops::nmse(reconstruction, input);
  EXPECT_DOUBLE_EQ(loss.item<double>(), 0.25);
  loss.backward();
  EXPECT_TRUE(torch::equal(reconstruction.grad(), torch::tensor({{0.0, 0.0}, {0.5, 0.0}}, torch::kFloat64)));
}

TEST(Nmse, OfZeroRowsAloneIsZero) {
  const auto zero = torch::zeros({3, 2}, torch::kFloat64);
  EXPECT_EQ(ops::nmse(zero + 1, zero).item<double>(), 0);
}

TEST(CosineLoss, IsTheMeanOverRowsOfOneMinusCosineSquared) {
  const auto input = torch::tensor({{3.0, 4.0}, {0.0, 2.0}, {1.0, 0.0}}, torch::kFloat64);
  const auto reconstruction = torch::tensor({{4.0, 3.0}, {0.0, -1.0}, {7.0, 0.0}}, torch::kFloat64);
  const double first = 1 - 24.0 / 25, second = 2, third = 0;
  EXPECT_NEAR(ops::cosine_loss(reconstruction, input).item<double>(),
              (first * first + second * second + third) / 3, 1e-15);
}

TEST(CosineLoss, LeavesOutRowsWithoutACosine) {
  const auto input = torch::tensor({{0.0, 0.0}, {1.0, 0.0}, {0.0, 5.0}}, torch::kFloat64);
  auto reconstruction = torch::tensor({{5.0, 5.0}, {0.0, 0.0}, {3.0, 4.0}}, torch::kFloat64).requires_grad_();
  const auto loss = ops::cosine_loss(reconstruction, input);
  EXPECT_NEAR(loss.item<double>(), 0.2 * 0.2, 1e-15);
  loss.backward();
  const auto gradient = reconstruction.grad();
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient.slice(0, 0, 2).abs().sum().item<double>(), 0);
  EXPECT_GT(gradient[2].abs().sum().item<double>(), 0);
  EXPECT_EQ(ops::cosine_loss(torch::zeros({2, 3}), torch::ones({2, 3})).item<double>(), 0);
}

TEST(PlainL1, IsTheMeanOverRowsOfSizesAdded) {
  const auto latents = torch::tensor({{1.0, -2.0, 0.0}, {4.0, 0.0, 0.0}}, torch::kFloat64);
  EXPECT_DOUBLE_EQ(ops::plain_l1(latents).item<double>(), 3.5);
  EXPECT_EQ(ops::plain_l1(torch::zeros({3, 2})).item<double>(), 0);
}

TEST(Losses, TakeAllLevelsAtOnce) {
  const auto input = test::random({5, 7}, 1);
  const auto levels = test::random({3, 5, 7}, 2);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_CLOSE(ops::nmse(levels, input)[i], ops::nmse(levels[i], input), 1e-14);
    EXPECT_CLOSE(ops::mse(levels, input)[i], ops::mse(levels[i], input), 1e-14);
    EXPECT_CLOSE(ops::cosine_loss(levels, input)[i], ops::cosine_loss(levels[i], input), 1e-14);
  }
}

TEST(Mse, IsTheMeanOverAllCoordinates) {
  EXPECT_DOUBLE_EQ(ops::mse(torch::tensor({{1.0, 2.0}, {3.0, 4.0}}, torch::kFloat64),
                            torch::tensor({{1.0, 0.0}, {0.0, 4.0}}, torch::kFloat64))
                       .item<double>(),
                   13.0 / 4);
}

TEST(L1, IsRelativeToTheRowsNorm) {
  const auto latents = torch::tensor({{1.0, 2.0, 0.0}, {4.0, 0.0, 0.0}, {9.0, 9.0, 9.0}}, torch::kFloat64);
  const auto input = torch::tensor({{3.0, 4.0}, {0.0, 2.0}, {0.0, 0.0}}, torch::kFloat64);
  EXPECT_DOUBLE_EQ(ops::l1(latents, input).item<double>(), (3.0 / 5 + 4.0 / 2) / 2);
}

TEST(Losses, HaveTheGradientsOfFiniteDifferences) {
  const auto input = test::random({4, 3}, 1);
  using Function = std::function<torch::Tensor(const torch::Tensor&)>;
  const Function functions[] = {
      [&](const auto& x) { return ops::nmse(x, input); }, [&](const auto& x) { return ops::mse(x, input); },
      [&](const auto& x) { return ops::cosine_loss(x, input); },
      [&](const auto& x) { return ops::l1(x, input); }, [&](const auto& x) { return ops::plain_l1(x); }};
  for (const auto& f : functions) {
    auto x = test::random({4, 3}, 2).requires_grad_();
    f(x).backward();
    EXPECT_CLOSE(x.grad(), test::numerical_gradient(f, x), 1e-8);
  }
}

TEST(Losses, RefuseShapesThatDoNotFit) {
  const auto input = test::random({4, 3}, 1);
  EXPECT_THROW(ops::nmse(input.t(), input), c10::Error);
  EXPECT_THROW(ops::mse(input[0], input), c10::Error);
  EXPECT_THROW(ops::cosine_loss(input.t(), input), c10::Error);
  EXPECT_THROW(ops::l1(input.t(), input), c10::Error);
  EXPECT_THROW(ops::plain_l1(input[0]), c10::Error);
}

}  // namespace
}  // namespace msae
