#include "msae/ops/nested_topk.h"

#include <gmock/gmock.h>

#include <limits>

#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae {
namespace {

using Levels = std::vector<std::int64_t>;

struct TopKCase {
  const char* name;
  std::int64_t rows, dim, latents;
  Levels levels;
  double shift = 0;  // added to pre-activations: below zero, few are positive
  int distinct = 0;  // values are drawn from about so many; 0: all differ
};

struct TopKProblem {
  explicit TopKProblem(const TopKCase& c, torch::ScalarType type = torch::kFloat64)
      : pre(test::random({c.rows, c.latents}, 1, type) + c.shift),
        decoder(test::random({c.latents, c.dim}, 2, type).requires_grad_()),
        weights(test::random({static_cast<std::int64_t>(c.levels.size()), c.rows, c.dim}, 3, type)),
        levels(c.levels) {
    if (c.distinct > 0) pre = (pre * c.distinct / 4).round();
    pre.requires_grad_();
  }

  torch::Tensor fused() const { return ops::nested_topk(pre, decoder, levels); }
  torch::Tensor plain() const {
    return ops::nested_decode(pre.relu(), ops::nested_levels(pre, levels), decoder,
                              static_cast<std::int64_t>(levels.size()));
  }
  torch::Tensor pre, decoder, weights;
  Levels levels;
};

Levels many_levels() {
  Levels levels(255);
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<std::int64_t>(i);
  return levels;
}

const std::vector<TopKCase> topk_cases{
    {"plain", 5, 4, 11, {2, 4, 11}},
    {"one_row", 1, 3, 7, {1, 7}},
    {"one_latent", 4, 3, 1, {1}},
    {"one_level", 3, 4, 6, {2}},
    {"one_dimension", 3, 1, 6, {2, 3}},
    {"one_of_each", 1, 1, 1, {0, 1}},
    {"k_zero", 3, 4, 6, {0, 2}},
    {"nothing_kept", 3, 4, 6, {0}},
    {"all_kept", 3, 65, 6, {6}},
    {"beyond_all", 3, 65, 6, {2, 6, 9}},
    {"ties", 13, 5, 40, {1, 3, 7, 20}, 0, 3},
    {"all_equal", 6, 5, 17, {1, 2, 4, 16}, 3, 1},
    {"zeros_beside_positives", 6, 5, 17, {1, 9, 16}, 0, 1},
    {"few_positives", 6, 3, 9, {2, 4, 9}, -1.5},
    {"none_positive", 3, 3, 9, {2, 9}, -20},
    {"several_slices_and_chunks", 300, 65, 33, {1, 4, 8, 33}},
    {"several_slices_of_floats", 2, 130, 33, {1, 4, 8, 33}},
    {"several_tiles", 130, 65, 1541, {3, 17, 900, 1541}},
    {"many_levels", 3, 2, 300, many_levels()},
};

class NestedTopK : public testing::TestWithParam<TopKCase> {};

TEST_P(NestedTopK, ReconstructsAsSelectionAndDecoding) {
  for (const auto type : {torch::kFloat64, torch::kFloat32}) {
    const TopKProblem p(GetParam(), type);
    EXPECT_CLOSE(p.fused(), p.plain(), type == torch::kFloat64 ? 1e-13 : 3e-6);
  }
}

TEST_P(NestedTopK, HasTheGradientsOfSelectionAndDecoding) {
  for (const auto type : {torch::kFloat64, torch::kFloat32}) {
    const TopKProblem ours(GetParam(), type), plain(GetParam(), type);
    (ours.fused() * ours.weights).square().sum().backward();
    (plain.plain() * plain.weights).square().sum().backward();
    const auto tolerance = type == torch::kFloat64 ? 1e-12 : 2e-5;
    EXPECT_CLOSE(ours.pre.grad(), plain.pre.grad(), tolerance);
    EXPECT_CLOSE(ours.decoder.grad(), plain.decoder.grad(), tolerance);
    EXPECT_TRUE(torch::equal(ours.pre.grad() != 0, plain.pre.grad() != 0));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, NestedTopK, testing::ValuesIn(topk_cases),
                         [](const auto& test) { return test.param.name; });

TEST(NestedTopK, HasTheGradientsOfFiniteDifferences) {
  const TopKProblem p({"", 5, 3, 11, {2, 4, 11}});
  const auto loss = [&p](const torch::Tensor& pre, const torch::Tensor& decoder) {
    return (ops::nested_topk(pre, decoder, p.levels) * p.weights).square().sum();
  };
  loss(p.pre, p.decoder).backward();
  const auto of_pre = [&](const torch::Tensor& pre) { return loss(pre, p.decoder.detach()); };
  const auto of_decoder = [&](const torch::Tensor& decoder) { return loss(p.pre.detach(), decoder); };
  EXPECT_CLOSE(p.pre.grad(), test::numerical_gradient(of_pre, p.pre), 1e-6);
  EXPECT_CLOSE(p.decoder.grad(), test::numerical_gradient(of_decoder, p.decoder), 1e-6);
}

TEST(NestedTopK, IsTheSameBitsForAnyNumberOfThreads) {
  const auto results = [](int threads) {
    const test::Threads limit(threads);
    const TopKProblem p({"", 700, 130, 1700, {3, 17, 900, 1700}}, torch::kFloat32);
    const auto out = p.fused();
    (out * p.weights).sum().backward();
    return std::vector{out.detach(), p.pre.grad(), p.decoder.grad()};
  };
  const auto one = results(1);
  for (const int threads : {2, 3, 8}) {
    const auto more = results(threads);
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], more[i])) << threads;
  }
}

TEST(NestedTopK, TakesTensorsThatAreNotContiguous) {
  const TopKProblem p({"", 7, 5, 11, {2, 4, 11}});
  const auto across = [](const torch::Tensor& t) { return t.detach().t().contiguous().t().requires_grad_(); };
  const auto pre = across(p.pre), decoder = across(p.decoder);
  const auto out = ops::nested_topk(pre, decoder, p.levels);
  out.sum(0).sum().backward();  // whose gradient has no strides
  p.plain().sum().backward();
  EXPECT_CLOSE(out, p.plain(), 1e-13);
  EXPECT_CLOSE(pre.grad(), p.pre.grad(), 1e-13);
  EXPECT_CLOSE(decoder.grad(), p.decoder.grad(), 1e-13);
}

TEST(NestedTopK, LeavesOutGradientsNobodyAskedFor) {
  const TopKProblem p({"", 3, 4, 6, {2, 6}});
  ops::nested_topk(p.pre.detach(), p.decoder, p.levels).sum().backward();
  EXPECT_TRUE(p.decoder.grad().defined());
  EXPECT_FALSE(p.pre.grad().defined());
  const TopKProblem q({"", 3, 4, 6, {2, 6}});
  ops::nested_topk(q.pre, q.decoder.detach(), q.levels).sum().backward();
  EXPECT_FALSE(q.decoder.grad().defined());
  EXPECT_TRUE(q.pre.grad().defined());
  EXPECT_FALSE(ops::nested_topk(p.pre.detach(), p.decoder.detach(), p.levels).requires_grad());
}

TEST(NestedTopK, TakesThePlainWayForOtherTypesAndEmptyTensors) {
  const TopKProblem p({"", 3, 4, 6, {2, 6}});
  const auto half = ops::nested_topk(p.pre.to(torch::kBFloat16), p.decoder.to(torch::kBFloat16), p.levels);
  EXPECT_EQ(half.scalar_type(), torch::kBFloat16);
  EXPECT_CLOSE(half.to(torch::kFloat64), p.plain(), 0.03);
  EXPECT_EQ(ops::nested_topk(torch::zeros({0, 6}), torch::zeros({6, 4}), {2, 6}).sizes(),
            (at::IntArrayRef{2, 0, 4}));
}

TEST(NestedTopK, ShowsPreActivationsThatAreNoNumber) {
  TopKProblem p({"", 3, 4, 6, {2, 6}});
  p.pre.detach()[1][3] = std::numeric_limits<double>::quiet_NaN();
  const auto nan = p.fused().isnan();
  EXPECT_TRUE(nan.select(1, 1).all().item<bool>());
  EXPECT_FALSE(nan.select(1, 0).any().item<bool>());
}

TEST(NestedTopK, RefusesWhatItsBackwardCannotDo) {
  const TopKProblem p({"", 3, 4, 6, {2, 6}});
  const auto loss = p.fused().square().sum();
  EXPECT_THROW(loss.backward({}, /*retain_graph=*/true, /*create_graph=*/true), c10::Error);
  const auto other = p.fused().square().sum();
  p.decoder.detach().add_(1);  // behind the graph's back
  EXPECT_THROW(other.backward(), c10::Error);
}

TEST(NestedTopK, RefusesArgumentsThatDoNotFit) {
  const TopKProblem p({"", 3, 4, 6, {2, 6}});
  EXPECT_THAT(test::error_of<c10::Error>([&] { ops::nested_topk(p.pre, p.decoder.t(), {2}); }),
              testing::AllOf(testing::HasSubstr("[3, 6]"), testing::HasSubstr("[4, 6]")));
  EXPECT_THROW(ops::nested_topk(p.pre, p.decoder.to(torch::kFloat32), {2}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre[0], p.decoder, {2}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre, p.decoder[0], {2}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre, p.decoder, {}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre, p.decoder, {2, 2}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre, p.decoder, {-1}), c10::Error);
  EXPECT_THROW(ops::nested_topk(p.pre.to(torch::kInt64), p.decoder, {2}), c10::Error);
}

}  // namespace
}  // namespace msae
