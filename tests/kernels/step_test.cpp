#include "kernels/cpu/step.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "kernels/naive_step.h"
#include "kernels/step_problem.h"
#include "kernels/threads.h"
#include "support/error_of.h"

namespace msae::kernels {
namespace {

using test::Kind;
using test::kind_of;
using test::kinds;
using test::level_lists_of;
using test::Levels;
using test::NaiveStep;
using test::Numbers;
using test::Positive;
using test::Problem;
using test::problem_of;
using test::Shape;
using test::Table;

template <typename T>
struct Result {
  StepReport report;
  Table<T> encoder, decoder, latent_bias, pre_bias;
  Table<std::uint8_t> fired;
};

template <typename T>
Result<T> run(NestedStep<T>& step, const Problem<T>& problem) {
  const auto latents = problem.latents(), dim = problem.dim();
  auto encoder = problem.encoder, decoder = problem.decoder;  // Parameters have one kind of matrices
  const auto gap = decoder.matrix().stride - dim;
  Result<T> result{.report = {},
                   .encoder = Table<T>(latents, dim, test::nan_of<T>, 2 * gap),
                   .decoder = Table<T>(latents, dim, test::nan_of<T>, gap),
                   .latent_bias = Table<T>(1, latents, test::nan_of<T>),
                   .pre_bias = Table<T>(1, dim, test::nan_of<T>),
                   .fired = Table<std::uint8_t>(1, latents)};
  const Parameters<const T> parameters{std::as_const(encoder).matrix(), std::as_const(decoder).matrix(),
                                       problem.latent_bias.data(), problem.pre_bias.data()};
  const Parameters<T> gradients{result.encoder.matrix(), result.decoder.matrix(), result.latent_bias.data(),
                                result.pre_bias.data()};
  result.report = step.run(problem.batch.matrix(), problem.factor, parameters,
                           problem.dead.empty() ? nullptr : problem.dead.data(), gradients);
  std::copy_n(step.fired(), latents, result.fired.data());
  EXPECT_TRUE(result.encoder.gaps_hold(test::nan_of<T>));
  EXPECT_TRUE(result.decoder.gaps_hold(test::nan_of<T>));
  return result;
}

template <typename T>
NestedStep<T> step_of(const Problem<T>& problem, const Executor& executor) {
  return NestedStep<T>(problem.latents(), problem.dim(), problem.options, test::plain_product<T>(), executor);
}

template <typename T>
constexpr double step_tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;

double off_by(double actual, double expected) {
  return std::abs(actual - expected) / (expected == 0 ? 1 : std::abs(expected));
}

template <typename T>
void expect_like(const Result<T>& found, const NaiveStep& expected) {
  EXPECT_LE(off_by(found.report.loss, expected.loss), step_tolerance<T>);
  EXPECT_LE(off_by(found.report.residual, expected.residual), step_tolerance<T>);
  EXPECT_LE(off_by(found.report.deviation, expected.deviation), step_tolerance<T>);
  EXPECT_EQ(found.report.active, expected.active);
  EXPECT_EQ(found.report.entries, expected.entries);
  EXPECT_EQ(found.report.levels, expected.levels);
  EXPECT_EQ(found.report.smallest, expected.smallest);
  EXPECT_TRUE(test::same_bits(found.fired, expected.fired));
  EXPECT_LE(test::difference(found.encoder, expected.encoder), step_tolerance<T>);
  EXPECT_LE(test::difference(found.decoder, expected.decoder), step_tolerance<T>);
  EXPECT_LE(test::difference(found.latent_bias, expected.latent_bias), step_tolerance<T>);
  // Its two terms may nearly cancel out.
  const auto size = std::max(test::size_of(expected.output_bias), test::size_of(expected.pre_bias));
  EXPECT_LE(test::distance(found.pre_bias, expected.pre_bias), step_tolerance<T> * (size > 0 ? size : 1));
}

template <typename T>
void expect_definition(const Problem<T>& problem) {
  const auto& o = problem.options;
  SCOPED_TRACE(testing::Message() << problem.rows() << " x " << problem.dim() << ", " << problem.latents()
                                  << " latents, levels " << testing::PrintToString(o.levels));
  const Serial serial;
  auto step = step_of(problem, serial);
  expect_like(run(step, problem), test::naive_step(problem));
}

template <typename T>
class Step : public testing::Test {};
TYPED_TEST_SUITE(Step, test::Precisions);

// Options, levels, and shares of positive pre-activations take turns.
TYPED_TEST(Step, IsItsDefinitionForEveryShape) {
  constexpr Shape shapes[] = {{1, 1, 1},     {2, 5, 7},     {127, 63, 16}, {128, 64, 33},    {129, 65, 100},
                              {300, 130, 7}, {300, 1, 16},  {2, 128, 33},  {1, 130, 100},    {127, 5, 1},
                              {128, 1, 100}, {129, 128, 1}, {1, 63, 7},    {2, 65, 1536 + 5}};
  std::size_t turn = 0;
  for (const auto& shape : shapes) {
    const auto lists = level_lists_of(shape.latents);
    for (const auto& kind : kinds) {
      SCOPED_TRACE(kind.name);
      if (++turn % 2 == 0) continue;  // of an odd number of kinds: the next shape has those left out
      const auto positive = turn % 7 == 0   ? Positive::none
                            : turn % 5 == 0 ? Positive::all
                            : turn % 4 == 1 ? Positive::half
                                            : Positive::few;
      const auto& levels = lists[turn / 2 % lists.size()];
      // One number's residual may be next to nothing, and the auxiliary loss divides by it.
      if (shape.dim == 1 && kind.auxk > 0 && sizeof(TypeParam) == 4) continue;
      expect_definition(problem_of<TypeParam>(shape, kind, levels, positive));
    }
  }
}

TYPED_TEST(Step, IsItsDefinitionForEveryOption) {
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    for (const auto& levels : level_lists_of(33)) {
      for (const auto positive : {Positive::few, Positive::half}) {
        expect_definition(problem_of<TypeParam>({130, 5, 33}, kind, levels, positive));
      }
    }
    for (const auto positive : {Positive::none, Positive::all}) {
      expect_definition(problem_of<TypeParam>({130, 5, 33}, kind, {2, 17, 33}, positive));
    }
  }
}

TYPED_TEST(Step, IsItsDefinitionForTiles) {
  for (const auto& kind :
       {kind_of("capped"), kind_of("auxiliary, over the batch, capped"), kind_of("l1"), kind_of("dense")}) {
    SCOPED_TRACE(kind.name);
    expect_definition(problem_of<TypeParam>({130, 65, 1536 + 5}, kind, {0, 16, 50, 1541}, Positive::few));
    expect_definition(problem_of<TypeParam>({3, 5, 2 * 1536}, kind, {5, 3000}, Positive::half));
  }
}

TYPED_TEST(Step, RanksTiesByIndexInARowAndByRowInABatch) {
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    for (const auto& levels : level_lists_of(33)) {
      expect_definition(problem_of<TypeParam>({131, 5, 33}, kind, levels, Positive::half, Numbers::whole));
    }
    expect_definition(problem_of<TypeParam>({131, 5, 33}, kind, {1, 2, 31}, Positive::half, Numbers::equal));
  }
}

TYPED_TEST(Step, TakesAsManyLevelsAsThereAreNumbersForThem) {
  Levels levels(254);
  std::iota(levels.begin(), levels.end(), 0);
  for (const auto& kind :
       {kind_of("plain"), kind_of("over the batch"), kind_of("auxiliary, over the batch, capped")}) {
    SCOPED_TRACE(kind.name);
    expect_definition(problem_of<TypeParam>({5, 3, 300}, kind, levels, Positive::all));
  }
}

TYPED_TEST(Step, HasNoAuxiliaryLossWithoutDeadLatents) {
  using T = TypeParam;
  auto problem = problem_of<T>({9, 5, 16}, kind_of("auxiliary"), {2, 8}, Positive::half);
  const auto with = test::naive_step(problem);
  std::fill(problem.dead.begin(), problem.dead.end(), std::uint8_t{0});
  const auto without = test::naive_step(problem);
  EXPECT_NE(with.loss, without.loss);
  expect_definition(problem);
  problem.dead.clear();
  EXPECT_EQ(test::naive_step(problem).loss, without.loss);
  expect_definition(problem);
}

TYPED_TEST(Step, CountsOnlyRowsThatHaveALength) {
  using T = TypeParam;
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    auto problem = problem_of<T>({140, 5, 16}, kind, {2, 8}, Positive::half);
    for (std::int64_t b = 0; b < 140; ++b) {
      if (b != 131) std::fill_n(&problem.batch(b, 0), 5, T{0});
    }
    expect_definition(problem);
    std::fill_n(&problem.batch(131, 0), 5, T{0});
    expect_definition(problem);
  }
}

TYPED_TEST(Step, ShowsWhatIsNoNumber) {
  using T = TypeParam;
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const auto problem = problem_of<T>({200, 5, 33}, kind, {4, 8}, Positive::half);
    const Serial serial;
    for (auto poisoned : {&Problem<T>::latent_bias, &Problem<T>::batch}) {
      auto poison = problem;
      (poison.*poisoned)(0, 2) = test::nan_of<T>;
      auto step = step_of(poison, serial);
      const auto result = run(step, poison);
      EXPECT_TRUE(std::isnan(result.report.loss));
      EXPECT_TRUE(std::isnan(result.report.residual));
      EXPECT_TRUE(std::isnan(result.latent_bias(0, 2)));
      EXPECT_EQ(result.fired(0, 2), 1);
      expect_like(run(step, problem), test::naive_step(problem));  // which leaves nothing behind
    }
  }
}

// So that the definition is known to be one: central differences of its loss, for every parameter.
TEST(StepDefinition, HasTheGradientsOfItsLoss) {
  for (const auto& kind : kinds) {
    for (const auto& levels : {Levels{2, 4, 9}, Levels{3}}) {
      SCOPED_TRACE(testing::Message() << kind.name << ", levels " << levels.size());
      const auto problem = problem_of<double>({7, 4, 9}, kind, levels, Positive::half);
      const auto step = test::naive_step(problem);
      EXPECT_GT(step.loss, 0);
      const auto expect_slope = [&](auto parameter, const Table<double>& gradient) {
        Table<double> slope(gradient.rows(), gradient.columns());
        for (std::int64_t i = 0; i < gradient.rows(); ++i) {
          for (std::int64_t j = 0; j < gradient.columns(); ++j) {
            constexpr double h = 1e-5;
            auto up = problem, down = problem;
            (up.*parameter)(i, j) += h;
            (down.*parameter)(i, j) -= h;
            slope(i, j) =
                (test::naive_step(up, &step.left).loss - test::naive_step(down, &step.left).loss) / (2 * h);
          }
        }
        EXPECT_LE(test::difference(gradient, slope), 1e-8);
      };
      expect_slope(&Problem<double>::encoder, step.encoder);
      expect_slope(&Problem<double>::decoder, step.decoder);
      expect_slope(&Problem<double>::latent_bias, step.latent_bias);
      expect_slope(&Problem<double>::pre_bias, step.pre_bias);
    }
  }
}

template <typename T>
void expect_same_bits(const Result<T>& a, const Result<T>& b) {
  EXPECT_EQ(a.report.loss, b.report.loss);
  EXPECT_EQ(a.report.residual, b.report.residual);
  EXPECT_EQ(a.report.deviation, b.report.deviation);
  EXPECT_EQ(a.report.active, b.report.active);
  EXPECT_EQ(a.report.entries, b.report.entries);
  EXPECT_EQ(a.report.levels, b.report.levels);
  EXPECT_EQ(a.report.smallest, b.report.smallest);
  EXPECT_TRUE(test::same_bits(a.encoder, b.encoder));
  EXPECT_TRUE(test::same_bits(a.decoder, b.decoder));
  EXPECT_TRUE(test::same_bits(a.latent_bias, b.latent_bias));
  EXPECT_TRUE(test::same_bits(a.pre_bias, b.pre_bias));
  EXPECT_TRUE(test::same_bits(a.fired, b.fired));
}

constexpr Shape shapes_for_threads[] = {{300, 130, 33}, {129, 5, 1536 + 5}, {520, 5, 7}, {1, 65, 3}};

TYPED_TEST(Step, GivesTheSameBitsForAnyNumberOfThreads) {
  using T = TypeParam;
  for (const auto& shape : shapes_for_threads) {
    for (const auto& kind : {kind_of("auxiliary, over the batch, capped"), kind_of("auxiliary, l1, squared"),
                             kind_of("dense, over the batch, capped, auxiliary")}) {
      SCOPED_TRACE(testing::Message() << kind.name << ", " << shape.latents << " latents");
      const auto problem =
          problem_of<T>(shape, kind, {0, 1, shape.latents / 2 + 1, shape.latents + 1}, Positive::few);
      const Serial serial;
      auto alone = step_of(problem, serial);
      const auto expected = run(alone, problem);
      for (const int count : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message() << count << " threads");
        const test::Threads threads(count);
        auto step = step_of(problem, threads);
        expect_same_bits(run(step, problem), expected);
        expect_same_bits(run(step, problem), expected);
      }
      const test::TakingTurns turns(3);
      auto step = step_of(problem, turns);
      for (int i = 0; i < 2; ++i) expect_same_bits(run(step, problem), expected);
    }
  }
}

TYPED_TEST(Step, GivesTheSameBitsAfterAnotherBatch) {
  using T = TypeParam;
  for (const auto& kind : {kind_of("plain"), kind_of("over the batch"),
                           kind_of("auxiliary, over the batch, capped"), kind_of("auxiliary, l1, squared"),
                           kind_of("dense, auxiliary, l1, squared"), kind_of("dense from some density on")}) {
    SCOPED_TRACE(kind.name);
    const Levels levels = {3, 10, 28, 33};
    auto problem = problem_of<T>({140, 65, 33}, kind, levels, Positive::half);
    problem.latent_bias(0, 1) = -20;
    const test::Threads threads(2);
    auto step = step_of(problem, threads);
    const auto expected = run(step, problem);
    // Others have latents that this one has not, and more levels.
    EXPECT_EQ(expected.fired(0, 1), 0);
    EXPECT_EQ(expected.report.levels, kind.l1 > 0 ? 1 : 3);
    const auto others = {std::pair(1, Positive::all), std::pair(129, Positive::none),
                         std::pair(300, Positive::all)};
    for (const auto& [rows, positive] : others) {
      run(step, problem_of<T>({rows, 65, 33}, kind, levels, positive));
      expect_same_bits(run(step, problem), expected);
    }
  }
}

// Each call of the product waits for a second thread, though not for ever.
TYPED_TEST(Step, WorksOnSeveralThreads) {
  using T = TypeParam;
  std::mutex mutex;
  std::condition_variable arrived;
  std::set<std::thread::id> seen;
  const auto product = [&](bool transposed, std::int64_t n, std::int64_t k, const T* b) {
    return [&, transposed, n, k, b](std::int64_t m, const T* a, T* c) {
      std::unique_lock lock(mutex);
      seen.insert(std::this_thread::get_id());
      arrived.notify_all();
      arrived.wait_for(lock, std::chrono::seconds(60), [&] { return seen.size() > 1; });
      lock.unlock();
      test::multiply(transposed, m, n, k, a, b, c);
    };
  };
  const auto problem = problem_of<T>({300, 5, 16}, kind_of("plain"), {4, 16}, Positive::half);
  const test::Threads threads(3);
  NestedStep<T> step(16, 5, problem.options, Product<T>{.by = product}, threads);
  expect_like(run(step, problem), test::naive_step(problem));
  EXPECT_GT(seen.size(), 1U);
  EXPECT_EQ(seen.count(std::this_thread::get_id()), 0U);
}

TYPED_TEST(Step, TakesNoMoreMemoryForTheNextStep) {
  using T = TypeParam;
  const auto expect_no_more = [](const Shape& shape, const Kind& kind, const Executor& executor) {
    SCOPED_TRACE(testing::Message() << kind.name << ", workers " << executor.workers());
    const auto problem = problem_of<T>(shape, kind, {3, 10, 60}, Positive::half);
    const auto fewer = problem_of<T>(shape, kind, {3, 10, 60}, Positive::few);
    auto step = step_of(problem, executor);
    run(step, problem);
    const auto memory = step.memory();
    EXPECT_GT(std::accumulate(memory.begin(), memory.end(), std::int64_t{0},
                              [](auto sum, const auto& part) { return sum + part.second; }),
              0);
    run(step, problem);
    EXPECT_EQ(step.memory(), memory);
    run(step, fewer);
    EXPECT_EQ(step.memory(), memory);
  };
  for (const auto& kind : kinds) expect_no_more({129, 65, 100}, kind, Serial());
  // Whichever worker has a block of rows, a piece of the latents, or a strip of them.
  for (const auto& kind : {kind_of("over the batch"), kind_of("dense")}) {
    expect_no_more({257, 5, 1536 + 5}, kind, test::TakingTurns(3));
  }
  expect_no_more({129, 5, 1536 + 5}, kind_of("dense"), test::TakingTurns(4));
}

TEST(StepOptionsAreChecked, LevelsAscend) {
  const Serial serial;
  const auto objection = [&](Levels levels, std::vector<double> weights) {
    StepOptions options;
    options.levels = std::move(levels);
    options.weights = std::move(weights);
    return msae::test::error_of<std::invalid_argument>(
        [&] { NestedStep<float>(4, 2, options, test::plain_product<float>(), serial); });
  };
  EXPECT_EQ(objection({0, 1, 9}, {0.2, 0.3, 0.5}), "no error");
  EXPECT_EQ(objection({-1, 2}, {0.5, 0.5}), "levels: must ascend from 0");
  EXPECT_EQ(objection({2, 2}, {0.5, 0.5}), "levels: must ascend from 0");
  EXPECT_EQ(objection({1, 2}, {1}), "weights: must be one a level");
  EXPECT_EQ(objection({}, {}), "levels: must be from 1 to 254, not 0");
  Levels many(255);
  std::iota(many.begin(), many.end(), 0);
  EXPECT_EQ(objection(many, std::vector<double>(255, 1)), "levels: must be from 1 to 254, not 255");
}

TEST(StepStages, HaveNamesAndTimes) {
  const auto problem = problem_of<float>({300, 65, 100}, kind_of("plain"), {3, 60}, Positive::half);
  const Serial serial;
  auto step = step_of(problem, serial);
  run(step, problem);
  std::set<std::string_view> names;
  for (int stage = 0; stage < static_cast<int>(Stage::count); ++stage) {
    names.insert(name_of(static_cast<Stage>(stage)));
    EXPECT_GT(step.milliseconds(static_cast<Stage>(stage)), 0);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Stage::count));
}

}  // namespace
}  // namespace msae::kernels
