#include "kernels/cuda/step.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "kernels/cuda/device.h"
#include "kernels/cuda/limits.h"
#include "kernels/cuda/plain_products.h"
#include "kernels/step_problem.h"

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
using test::DeviceArray;

Allocate device_memory() {
  return [](std::size_t bytes) {
    auto array = std::make_shared<DeviceArray<std::uint8_t>>(static_cast<std::int64_t>(bytes));
    return std::shared_ptr<void>(array, array->data());
  };
}

template <typename T>
std::vector<T> values_of(const Table<T>& table) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    for (std::int64_t j = 0; j < table.columns(); ++j) values.push_back(table(i, j));
  }
  return values;
}

// A parameter as it is trained.
struct Parameter {
  DeviceArray<float> value, first, second;

  explicit Parameter(const Table<float>& table)
      : value(values_of(table)), first(value.size(), 0.0f), second(value.size(), 0.0f) {}
  Trained trained() { return {value.data(), nullptr, first.data(), second.data()}; }
};

// A model in training, for one problem's shapes.
struct Run {
  DeviceArray<float> mean, scale;
  Parameter encoder, decoder, latent_bias, pre_bias;
  DeviceArray<double> sums;
  DeviceArray<std::int64_t> last_active;

  explicit Run(const Problem<float>& problem)
      : mean(problem.dim(), 0.0f),
        scale(1, 1.0f),
        encoder(problem.encoder),
        decoder(problem.decoder),
        latent_bias(problem.latent_bias),
        pre_bias(problem.pre_bias),
        sums(5, 0.0),
        last_active(std::vector<std::int64_t>(static_cast<std::size_t>(problem.latents()))) {
    // Rows seen are a thousand; who has been silent for more than 500 of them is dead.
    std::vector<std::int64_t> last(static_cast<std::size_t>(problem.latents()), 1000);
    for (std::size_t j = 0; j < problem.dead.size(); ++j) last[j] = problem.dead[j] != 0 ? 499 : 500;
    last_active = DeviceArray<std::int64_t>(last);
  }

  RunMemory memory() {
    return {mean.data(),           scale.data(),       encoder.trained(), decoder.trained(),
            latent_bias.trained(), pre_bias.trained(), sums.data(),       last_active.data()};
  }
};

// Parameters stay what they are, and gradients too: no step, no projection.
UpdateOptions no_update() {
  return {.before = UnitRows::as_they_are,
          .unit_after = false,
          .row_epsilon = 1e-7f,
          .clip = 0,
          .beta1 = 0.9f,
          .beta2 = 0.999f,
          .epsilon = 1e-8f,
          .dead_after = 500};
}

Scalars scalars_of(const Problem<float>& problem) {
  return {.factor = problem.factor,
          .loss_weight = 1,
          .decay = 1,
          .rate = 0,
          .correction = 1,
          .rows_seen = 1000 + problem.rows()};
}

Table<float> table_of(const float* from, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  std::vector<float> values(static_cast<std::size_t>(rows * stride));
  require(cudaMemcpy(values.data(), from, values.size() * sizeof(float), cudaMemcpyDeviceToHost), "copy");
  Table<float> table(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) table(i, j) = values[static_cast<std::size_t>(i * stride + j)];
  }
  return table;
}

template <typename F>
class Stepper {
 public:
  explicit Stepper(const Problem<float>& problem, UpdateOptions update = no_update())
      : step_(static_cast<int>(problem.latents()), static_cast<int>(problem.dim()), problem.options, update,
              products_, device_memory()) {}

  void run(const Problem<float>& problem, Run& memory, const DenseLevels& dense) {
    step_.prepare(static_cast<int>(problem.rows()), dense);
    const auto batch = values_of(problem.batch);
    require(cudaMemcpy(step_.batch(), batch.data(), batch.size() * sizeof(float), cudaMemcpyHostToDevice),
            "copy");
    step_.refresh(test::stream, memory.memory());
    step_.set(test::stream, scalars_of(problem));
    step_.enqueue(test::stream, memory.memory());
    test::synchronise();
  }

  NestedStep<F>& step() { return step_; }

 private:
  test::PlainProducts<F> products_;
  NestedStep<F> step_;
};

double off_by(double actual, double expected) {
  return std::abs(actual - expected) / (expected == 0 ? 1 : std::abs(expected));
}

template <typename F>
constexpr double tolerance = sizeof(F) == 4 ? 1e-5 : 2e-2;

template <typename F>
void expect_like(Stepper<F>& stepper, Run& memory, const Problem<float>& problem, const NaiveStep& expected) {
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

// Which levels are matrices.
enum class Dense { none, all, odd, last };

DenseLevels dense_of(Dense which, std::size_t levels) {
  DenseLevels dense(levels);
  for (std::size_t l = 0; l < levels; ++l) {
    dense[l] = which == Dense::all || (which == Dense::odd && l % 2 == 1) ||
               (which == Dense::last && l + 1 == levels);
  }
  return dense;
}

template <typename F>
void expect_definition(const Problem<float>& problem, Dense dense) {
  const auto& o = problem.options;
  SCOPED_TRACE(testing::Message() << problem.rows() << " x " << problem.dim() << ", " << problem.latents()
                                  << " latents, levels " << testing::PrintToString(o.levels) << ", dense "
                                  << static_cast<int>(dense));
  Run memory(problem);
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
