#include "msae/ops/nested_decode.h"

#include <gtest/gtest.h>

#include "msae/ops/selection.h"
#include "support/tensors.h"

namespace msae {
namespace {

using Levels = std::vector<std::int64_t>;

// decode(TopK_k) for each level on its own, by plain differentiable operators.
torch::Tensor naive_decode(const torch::Tensor& latents, const torch::Tensor& level,
                           const torch::Tensor& decoder, std::int64_t levels) {
  std::vector<torch::Tensor> out;
  for (std::int64_t i = 0; i < levels; ++i) out.push_back((latents * (level <= i)).mm(decoder));
  return torch::stack(out);
}

struct Case {
  const char* name;
  std::int64_t rows, dim, latents;
  Levels levels;
  double shift = 0;  // added to pre-activations: below zero, few are positive
};

struct Problem {
  explicit Problem(const Case& c)
      : pre(test::random({c.rows, c.latents}, 1) + c.shift),
        latents(pre.relu().requires_grad_()),
        level(ops::nested_levels(pre, c.levels)),
        decoder(test::random({c.latents, c.dim}, 2).requires_grad_()),
        weights(test::random({static_cast<std::int64_t>(c.levels.size()), c.rows, c.dim}, 3)),
        levels(static_cast<std::int64_t>(c.levels.size())) {}
  torch::Tensor pre, latents, level, decoder, weights;
  std::int64_t levels;
};

class NestedDecode : public testing::TestWithParam<Case> {};

TEST_P(NestedDecode, ReconstructsEveryLevelAsOnItsOwn) {
  const Problem p(GetParam());
  EXPECT_CLOSE(ops::nested_decode(p.latents, p.level, p.decoder, p.levels),
               naive_decode(p.latents, p.level, p.decoder, p.levels), 1e-13);
}

TEST_P(NestedDecode, HasTheGradientsOfAutograd) {
  const Problem ours(GetParam()), naive(GetParam());
  (ops::nested_decode(ours.latents, ours.level, ours.decoder, ours.levels) * ours.weights).sum().backward();
  (naive_decode(naive.latents, naive.level, naive.decoder, naive.levels) * naive.weights).sum().backward();
  EXPECT_CLOSE(ours.latents.grad(), naive.latents.grad(), 1e-13);
  EXPECT_CLOSE(ours.decoder.grad(), naive.decoder.grad(), 1e-13);
}

TEST_P(NestedDecode, HasTheGradientsOfFiniteDifferences) {
  const Problem p(GetParam());
  (ops::nested_decode(p.latents, p.level, p.decoder, p.levels) * p.weights).square().sum().backward();
  const auto of_latents = [&](const torch::Tensor& z) {
    return (ops::nested_decode(z, p.level, p.decoder.detach(), p.levels) * p.weights).square().sum();
  };
  const auto of_decoder = [&](const torch::Tensor& w) {
    return (ops::nested_decode(p.latents.detach(), p.level, w, p.levels) * p.weights).square().sum();
  };
  EXPECT_CLOSE(p.latents.grad(), test::numerical_gradient(of_latents, p.latents), 1e-6);
  EXPECT_CLOSE(p.decoder.grad(), test::numerical_gradient(of_decoder, p.decoder), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, NestedDecode,
    testing::Values(Case{"plain", 5, 4, 11, {2, 4, 11}}, Case{"one_row", 1, 3, 7, {1, 7}},
                    Case{"one_level", 3, 4, 6, {2}}, Case{"one_dimension", 3, 1, 6, {2, 3}},
                    Case{"k_zero", 3, 4, 6, {0, 2}}, Case{"not_all_kept", 4, 3, 9, {1, 2, 5}},
                    Case{"few_positives", 6, 3, 9, {2, 4, 9}, -1.5},
                    Case{"none_positive", 3, 3, 9, {2, 9}, -20}, Case{"all_positive", 3, 3, 9, {2, 9}, 20}),
    [](const auto& test) { return test.param.name; });

TEST(NestedDecode, LeavesOutGradientsNobodyAskedFor) {
  const Problem p({"", 3, 4, 6, {2, 6}});
  const auto out = ops::nested_decode(p.latents.detach(), p.level, p.decoder, 2);
  out.sum().backward();
  EXPECT_TRUE(p.decoder.grad().defined());
  EXPECT_FALSE(p.latents.grad().defined());
}

TEST(NestedDecode, RefusesShapesThatDoNotFit) {
  const Problem p({"", 3, 4, 6, {2, 6}});
  EXPECT_THROW(ops::nested_decode(p.latents, p.level.slice(1, 0, 5), p.decoder, 2), c10::Error);
  EXPECT_THROW(ops::nested_decode(p.latents, p.level, p.decoder.t(), 2), c10::Error);
  EXPECT_THROW(ops::nested_decode(p.latents, p.level.to(torch::kInt64), p.decoder, 2), c10::Error);
  EXPECT_THROW(ops::nested_decode(p.latents, p.level, p.decoder, 0), c10::Error);
}

}  // namespace
}  // namespace msae
