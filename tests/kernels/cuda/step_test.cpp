#include "kernels/cuda/step.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/cuda/limits.h"
#include "kernels/cuda/stepper.h"

namespace msae::kernels::cuda {
namespace {

using kernels::test::kind_of;
using kernels::test::kinds;
using kernels::test::level_lists_of;
using kernels::test::naive_step;
using kernels::test::NaiveStep;
using kernels::test::Numbers;
using kernels::test::Positive;
using kernels::test::Problem;
using kernels::test::problem_of;
using kernels::test::Table;
using test::Dense;
using test::Model;
using test::Stepper;
using test::table_of;

double off_by(double actual, double expected) {
  return std::abs(actual - expected) / (expected == 0 ? 1 : std::abs(expected));
}

template <typename F>
constexpr double tolerance = sizeof(F) == 4 ? 1e-5 : 2e-2;

template <typename F>
void expect_like(Stepper<F>& stepper, Model& memory, const Problem<float>& problem,
                 const NaiveStep& expected) {
  const auto& step = stepper.step();
  const auto latents = problem.latents(), dim = problem.dim();
  const auto sums = memory.sums.host();
  EXPECT_LE(off_by(sums[0] / static_cast<double>(problem.rows()), expected.loss), tolerance<F>);
  EXPECT_LE(off_by(sums[1], expected.residual), tolerance<F>);
  EXPECT_LE(off_by(sums[2], expected.deviation), 1e-5);
  EXPECT_EQ(sums[3], static_cast<double>(expected.active));
  EXPECT_EQ(sums[4], static_cast<double>(problem.rows()));
  std::vector<unsigned long long> counts(problem.options.levels.size());
  require(cudaMemcpy(counts.data(), step.counts(), counts.size() * sizeof(counts[0]), cudaMemcpyDeviceToHost),
          "copy");
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0ull),
            static_cast<unsigned long long>(expected.entries));
  const auto last = memory.last_active.host();
  for (std::int64_t j = 0; j < latents; ++j) {
    EXPECT_EQ(last[static_cast<std::size_t>(j)] > 1000, expected.fired(0, j) != 0) << j;
  }
  const auto row = padded(dim);
  EXPECT_LE(kernels::test::difference(table_of(step.encoder_gradient(), latents, dim, row), expected.encoder),
            tolerance<F>);
  EXPECT_LE(kernels::test::difference(table_of(step.decoder_gradient(), latents, dim, row), expected.decoder),
            tolerance<F>);
  EXPECT_LE(kernels::test::difference(table_of(step.latent_bias_gradient(), 1, latents, latents),
                                      expected.latent_bias),
            tolerance<F>);
  // Its two terms may nearly cancel out.
  const auto size =
      std::max(kernels::test::size_of(expected.output_bias), kernels::test::size_of(expected.pre_bias));
  EXPECT_LE(kernels::test::distance(table_of(step.pre_bias_gradient(), 1, dim, dim), expected.pre_bias),
            tolerance<F> * (size > 0 ? size : 1));
  if (!problem.options.over_batch) return;
  const auto smallest = table_of(step.smallest(), 1, static_cast<std::int64_t>(counts.size()),
                                 static_cast<std::int64_t>(counts.size()));
  for (std::size_t l = 0; l < counts.size(); ++l) {
    EXPECT_EQ(smallest(0, static_cast<std::int64_t>(l)), static_cast<float>(expected.smallest[l])) << l;
  }
}

template <typename F>
void expect_definition(const Problem<float>& problem, Dense dense) {
  const auto& o = problem.options;
  SCOPED_TRACE(testing::Message() << problem.rows() << " x " << problem.dim() << ", " << problem.latents()
                                  << " latents, levels " << testing::PrintToString(o.levels) << ", dense "
                                  << static_cast<int>(dense));
  Model memory(problem);
  Stepper<F> stepper(problem);
  stepper.run(problem, memory, dense_of(dense, o.levels.size()));
  expect_like(stepper, memory, problem, naive_step(problem));
}

void round_decoder(Problem<float>& problem) {
  for (std::int64_t j = 0; j < problem.latents(); ++j) {
    for (std::int64_t d = 0; d < problem.dim(); ++d) {
      auto& value = problem.decoder(j, d);
      value = __bfloat162float(__float2bfloat16_rn(value));
    }
  }
}

constexpr Dense ways[] = {Dense::none, Dense::all, Dense::odd, Dense::last};

TEST(CudaStep, IsItsDefinitionForEveryOption) {
  std::size_t turn = 0;
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    for (const auto& levels : level_lists_of(33)) {
      expect_definition<float>(problem_of<float>({7, 5, 33}, kind, levels, Positive::half), ways[turn++ % 4]);
    }
    expect_definition<float>(problem_of<float>({7, 5, 33}, kind, {2, 17, 33}, Positive::none),
                             ways[turn % 4]);
    expect_definition<float>(problem_of<float>({7, 5, 33}, kind, {2, 17, 33}, Positive::all), ways[turn % 4]);
  }
}

// Options, levels, and shares of positive pre-activations take turns.
TEST(CudaStep, IsItsDefinitionForEveryShape) {
  constexpr kernels::test::Shape shapes[] = {
      {1, 1, 1},    {2, 5, 7},   {33, 8, 16},  {65, 9, 100}, {5, 260, 40}, {3, 513, 12}, {3, 770, 9},
      {2, 1030, 9}, {40, 3, 33}, {1, 12, 520}, {2, 1281, 8}, {2, 1537, 5}, {2, 2048, 5}, {97, 4, 9}};
  std::size_t turn = 0;
  for (const auto& shape : shapes) {
    const auto lists = level_lists_of(shape.latents);
    for (const auto& kind : kinds) {
      SCOPED_TRACE(kind.name);
      if (++turn % 3 != 0) continue;
      const auto positive = turn % 7 == 0 ? Positive::all : turn % 4 == 1 ? Positive::half : Positive::few;
      const auto& levels = lists[turn / 3 % lists.size()];
      // One number's residual may be next to nothing, and the auxiliary loss divides by it.
      if (shape.dim == 1 && kind.auxk > 0) continue;
      const test::Limits limits(32 * static_cast<unsigned>(1 + turn % 3));
      expect_definition<float>(problem_of<float>(shape, kind, levels, positive), ways[turn / 3 % 4]);
    }
  }
}

// Where levels may keep many latents the encoder's gradient is a product, even if all levels are lists.
TEST(CudaStep, IsItsDefinitionWhereOnlyTheEncodersGradientIsAProduct) {
  std::size_t turn = 0;
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    auto problem = problem_of<float>({35, 5, 33}, kind, {2, 17, 33}, Positive::half);
    problem.options.dense.level = 0.5;
    expect_definition<float>(problem, turn++ % 2 == 0 ? Dense::none : ways[turn % 4]);
  }
}

// Whole numbers are the same in bfloat16, and many of them are equal.
template <typename F>
void expect_ties_by_index() {
  std::size_t turn = 0;
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    for (const auto& levels : level_lists_of(33)) {
      auto problem = problem_of<float>({12, 5, 33}, kind, levels, Positive::half, Numbers::whole);
      round_decoder(problem);
      expect_definition<F>(problem, ways[turn++ % 4]);
    }
    auto equal = problem_of<float>({12, 5, 33}, kind, {1, 2, 31}, Positive::half, Numbers::equal);
    round_decoder(equal);
    expect_definition<F>(equal, ways[turn % 4]);
  }
}

TEST(CudaStep, RanksTiesByIndexInARowAndByRowInABatch) {
  expect_ties_by_index<float>();
}

TEST(CudaStep, TakesFactorsInHalfThePrecision) {
  expect_ties_by_index<bfloat16>();
}

}  // namespace
}  // namespace msae::kernels::cuda
