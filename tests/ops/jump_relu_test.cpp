#include "msae/ops/jump_relu.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tensors.h"

namespace msae {
namespace {

constexpr std::int64_t rows = 40, latents = 6;
constexpr double bandwidth = 0.4;

torch::Tensor pre_activations() {
  return test::random({rows, latents}, 1) * 0.7 + 0.3;
}

torch::Tensor thresholds() {
  return torch::tensor({0.05, 0.2, 0.5, 0.9, 1.5, 50.0}, torch::kFloat64);
}

// Sums over rows of `slope(threshold)` times the incoming gradient, where a pre-activation is within half a
// bandwidth of the threshold.
template <typename Slope>
torch::Tensor naive_threshold_gradient(const torch::Tensor& pre, const torch::Tensor& threshold,
                                       const torch::Tensor& incoming, Slope slope) {
  auto gradient = torch::zeros_like(threshold);
  for (std::int64_t j = 0; j < pre.size(1); ++j) {
    const auto t = threshold[j].item<double>();
    double sum = 0;
    for (std::int64_t b = 0; b < pre.size(0); ++b) {
      const bool inside = std::abs((pre[b][j].item<double>() - t) / bandwidth) < 0.5;
      if (inside) sum += slope(t) * incoming[b][j].item<double>();
    }
    gradient[j] = sum;
  }
  return gradient;
}

TEST(JumpRelu, KeepsWhatIsAboveItsLatentsThreshold) {
  const auto pre = torch::tensor({{0.5, 0.5, -2.0}, {0.4999, 2.0, 3.0}}, torch::kFloat64);
  const auto threshold = torch::tensor({0.5, 0.25, 1.0}, torch::kFloat64);
  EXPECT_TRUE(torch::equal(ops::jump_relu(pre, threshold, 1),
                           torch::tensor({{0.0, 0.5, 0.0}, {0.0, 2.0, 3.0}}, torch::kFloat64)));
  EXPECT_TRUE(torch::equal(ops::step_above(pre, threshold, 1),
                           torch::tensor({{0.0, 1.0, 0.0}, {0.0, 1.0, 1.0}}, torch::kFloat64)));
}

TEST(JumpRelu, GivesTheStraightThroughGradients) {
  auto pre = pre_activations().requires_grad_();
  auto threshold = thresholds().requires_grad_();
  const auto incoming = test::random({rows, latents}, 2);
  ops::jump_relu(pre, threshold, bandwidth).backward(incoming);
  EXPECT_TRUE(torch::equal(pre.grad(), incoming * (pre > threshold)));
  const auto expected = naive_threshold_gradient(pre.detach(), threshold.detach(), incoming,
                                                 [](double t) { return -t / bandwidth; });
  EXPECT_CLOSE(threshold.grad(), expected, 1e-13);
  EXPECT_EQ(expected[latents - 1].item<double>(), 0) << "no pre-activation is near";
  EXPECT_GT(expected.slice(0, 0, latents - 1).abs().min().item<double>(), 0);
}

TEST(StepAbove, GivesThresholdsAGradientAndPreActivationsNone) {
  auto pre = pre_activations().requires_grad_();
  auto threshold = thresholds().requires_grad_();
  const auto incoming = test::random({rows, latents}, 2);
  const auto steps = ops::step_above(pre, threshold, bandwidth);
  steps.backward(incoming);
  EXPECT_FALSE(pre.grad().defined());
  const auto expected = naive_threshold_gradient(pre.detach(), threshold.detach(), incoming,
                                                 [](double) { return -1 / bandwidth; });
  EXPECT_CLOSE(threshold.grad(), expected, 1e-13);
}

// The step's estimate is the slope of a ramp as wide as the bandwidth.
TEST(StepAbove, HasTheThresholdGradientOfAPiecewiseLinearStep) {
  const auto pre = pre_activations(), incoming = test::random({rows, latents}, 2);
  auto threshold = thresholds().requires_grad_();
  ops::step_above(pre, threshold, bandwidth).backward(incoming);
  const auto ramp = [&](const torch::Tensor& t) {
    return (incoming * ((pre - t) / bandwidth + 0.5).clamp(0, 1)).sum();
  };
  EXPECT_CLOSE(threshold.grad(), test::numerical_gradient(ramp, threshold, 1e-7), 1e-6);
}

TEST(JumpRelu, HasThePreActivationGradientOfFiniteDifferences) {
  auto pre = pre_activations();
  const auto threshold = thresholds();
  ASSERT_GT((pre - threshold).abs().min().item<double>(), 1e-5) << "differences would cross the jump";
  const auto incoming = test::random({rows, latents}, 2);
  const auto f = [&](const torch::Tensor& p) {
    return (ops::jump_relu(p, threshold, bandwidth) * incoming).sum();
  };
  pre.requires_grad_();
  f(pre).backward();
  EXPECT_CLOSE(pre.grad(), test::numerical_gradient(f, pre), 1e-8);
}

TEST(JumpRelu, TakesTheThresholdsOfAModelOfSinglePrecision) {
  auto threshold = thresholds().to(torch::kFloat32).requires_grad_();
  const auto out = ops::jump_relu(pre_activations().to(torch::kFloat32), threshold, bandwidth);
  EXPECT_EQ(out.scalar_type(), torch::kFloat32);
  out.sum().backward();
  EXPECT_EQ(threshold.grad().scalar_type(), torch::kFloat32);
}

TEST(JumpRelu, RefusesShapesAndBandwidthsThatDoNotFit) {
  const auto pre = pre_activations(), threshold = thresholds();
  for (const auto& op : {ops::jump_relu, ops::step_above}) {
    EXPECT_THROW(op(pre[0], threshold, 1), c10::Error);
    EXPECT_THROW(op(pre, threshold.slice(0, 1), 1), c10::Error);
    EXPECT_THROW(op(pre, threshold[0], 1), c10::Error);
    EXPECT_THROW(op(pre, threshold, 0), c10::Error);
    EXPECT_THROW(op(pre, threshold, -1), c10::Error);
    EXPECT_THROW(op(pre, threshold, NAN), c10::Error);
  }
}

}  // namespace
}  // namespace msae
