// What a step takes of memory and options.
#include <gtest/gtest.h>

#include <map>
#include <new>
#include <stdexcept>
#include <string>

#include "kernels/cuda/stepper.h"

namespace msae::kernels::cuda {
namespace {

using kernels::test::kind_of;
using kernels::test::Levels;
using kernels::test::Positive;
using kernels::test::problem_of;
using test::Dense;
using test::dense_of;
using test::DeviceArray;
using test::Model;
using test::no_update;
using test::Stepper;

template <typename F>
class CudaStepMemory : public testing::Test {};
TYPED_TEST_SUITE(CudaStepMemory, test::Factors);

// For rows of 13 dimensions and 33 latents.
StepOptions options_of(const char* kind) {
  return problem_of<float>({2, 13, 33}, kind_of(kind), {2, 9, 20}, Positive::half).options;
}

// What has been asked for, and not given back.
struct Account {
  std::map<const void*, std::size_t> taken;
  int calls = 0;

  Allocate allocate() {
    return [this](std::size_t bytes) {
      auto array = std::make_shared<DeviceArray<std::uint8_t>>(static_cast<std::int64_t>(bytes));
      auto* data = array->data();
      taken[data] = bytes;
      ++calls;
      return std::shared_ptr<void>(data, [this, array](void* memory) { taken.erase(memory); });
    };
  }
  std::int64_t bytes() const {
    std::size_t all = 0;
    for (const auto& [memory, size] : taken) all += size;
    return static_cast<std::int64_t>(all);
  }
};

TYPED_TEST(CudaStepMemory, TakesAsMuchMemoryAsItSays) {
  const test::PlainProducts<TypeParam> products;
  for (const auto* kind : {"plain", "over the batch", "auxiliary, l1, squared"}) {
    const auto options = options_of(kind);
    const auto levels = options.levels.size();
    for (const auto dense : {Dense::none, Dense::all, Dense::odd}) {
      Account account;
      {
        NestedStep<TypeParam> step(33, 13, options, no_update(), products, account.allocate());
        EXPECT_EQ(account.calls, 0);
        EXPECT_TRUE(step.prepare(10, dense_of(dense, levels)));
        EXPECT_EQ(account.bytes(), step.bytes(10, {dense_of(dense, levels)})) << kind;
        std::int64_t named = 0;
        for (const auto& [name, bytes] : step.memory()) named += bytes;
        EXPECT_EQ(account.bytes(), named);
      }
      EXPECT_EQ(account.bytes(), 0) << "all is given back";
    }
  }
}

TYPED_TEST(CudaStepMemory, SaysWhatChangingChoicesTake) {
  const test::PlainProducts<TypeParam> products;
  Account account;
  NestedStep<TypeParam> step(33, 13, options_of("plain"), no_update(), products, account.allocate());
  const std::vector<DenseLevels> choices = {dense_of(Dense::last, 3), dense_of(Dense::none, 3)};
  for (const auto& dense : choices) {
    step.prepare(10, dense);
    EXPECT_LT(step.bytes(10, {dense}), step.bytes(10, choices));
  }
  EXPECT_EQ(account.bytes(), step.bytes(10, choices));
}

TYPED_TEST(CudaStepMemory, IsThereAgainAfterItWasRefused) {
  const test::PlainProducts<TypeParam> products;
  Account account;
  bool refuses = false;
  const auto allocate = [&, give = account.allocate()](std::size_t bytes) {
    if (refuses && account.calls % 3 == 0) throw std::bad_alloc();
    return give(bytes);
  };
  NestedStep<TypeParam> step(33, 13, options_of("plain"), no_update(), products, allocate);
  const auto dense = dense_of(Dense::odd, 3);
  step.prepare(10, dense);
  refuses = true;
  EXPECT_THROW(step.prepare(20, dense), std::bad_alloc);
  refuses = false;
  EXPECT_TRUE(step.prepare(10, dense)) << "what was given back is taken again";
  EXPECT_GE(account.bytes(), step.bytes(10, {dense}));
}

TYPED_TEST(CudaStepMemory, SaysLaterWhatMovedBeforeItWasRefused) {
  const test::PlainProducts<TypeParam> products;
  int refused = 0;
  for (bool done = false; !done; ++refused) {
    Account account;
    int left = 1000;
    const auto allocate = [&, give = account.allocate()](std::size_t bytes) {
      if (left-- == 0) throw std::bad_alloc();
      return give(bytes);
    };
    NestedStep<TypeParam> step(33, 13, options_of("plain"), no_update(), products, allocate);
    step.prepare(10, dense_of(Dense::odd, 3));
    left = refused;
    try {
      step.prepare(20, dense_of(Dense::odd, 3));
      done = true;
    } catch (const std::bad_alloc&) {
      left = 1000;
      const bool moved = step.prepare(3, dense_of(Dense::none, 3));
      EXPECT_TRUE(moved || refused == 0) << refused;
    }
  }
  EXPECT_GT(refused, 10);
}

TYPED_TEST(CudaStepMemory, SaysWhenItsMemoryMoves) {
  const test::PlainProducts<TypeParam> products;
  Account account;
  NestedStep<TypeParam> step(33, 13, options_of("plain"), no_update(), products, account.allocate());
  const auto none = dense_of(Dense::none, 3), all = dense_of(Dense::all, 3), last = dense_of(Dense::last, 3);
  const auto moves = [&](int rows, const DenseLevels& dense) {
    const auto before = account.calls;
    const auto moved = step.prepare(rows, dense);
    EXPECT_EQ(moved, account.calls > before) << rows;
    return moved;
  };
  EXPECT_TRUE(moves(10, none));
  EXPECT_FALSE(moves(10, none));
  EXPECT_FALSE(moves(3, none)) << "a last batch is short";
  EXPECT_FALSE(moves(10, none));
  EXPECT_TRUE(moves(11, none));
  EXPECT_TRUE(moves(11, last)) << "matrices are needed";
  EXPECT_TRUE(moves(11, all)) << "more of them";
  EXPECT_FALSE(moves(11, last));
  EXPECT_FALSE(moves(11, none));
}

TEST(CudaStepOptions, ChoosesMatricesForLevelsOfManyLatents) {
  const test::PlainProducts<float> products;
  auto options = problem_of<float>({2, 4, 40}, kind_of("plain"), {2, 9, 30}, Positive::half).options;
  const auto chosen = [&](double share, const std::vector<double>& kept) {
    options.dense.level = share;
    return NestedStep<float>(40, 4, options, no_update(), products, test::device_memory()).choose_dense(kept);
  };
  // Before training, of 40 latents 20 are positive: levels add 2, 7 and 11.
  EXPECT_EQ(chosen(2, {}), (DenseLevels{false, false, false}));
  EXPECT_EQ(chosen(0.2, {}), (DenseLevels{false, false, true}));
  EXPECT_EQ(chosen(0.175, {}), (DenseLevels{false, true, true}));
  EXPECT_EQ(chosen(0.3, {}), (DenseLevels{false, false, false}));
  EXPECT_EQ(chosen(0.1, {4, 3, 0}), (DenseLevels{true, false, false}));
  EXPECT_EQ(chosen(0, {0, 0, 0}), (DenseLevels{true, true, true}));
}

void expect_refusal(const std::string& what, int latents, int dim, Levels levels, std::size_t weights) {
  const test::PlainProducts<float> products;
  StepOptions options;
  options.levels = std::move(levels);
  options.weights.assign(weights, 1);
  try {
    NestedStep<float>(latents, dim, options, no_update(), products, test::device_memory());
    FAIL() << "it takes " << what;
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()).substr(0, what.size()), what);
  }
}

TEST(CudaStepOptions, RefusesWhatItCannotDo) {
  Levels many;
  for (std::int64_t l = 0; l <= max_levels; ++l) many.push_back(l);
  expect_refusal("levels", 100, 8, {}, 0);
  expect_refusal("levels", 100, 8, many, many.size());
  expect_refusal("levels", 100, 8, {3, 3}, 2);
  expect_refusal("levels", 100, 8, {-1, 3}, 2);
  expect_refusal("weights", 100, 8, {1, 3}, 1);
  expect_refusal("dim", 100, 0, {1}, 1);
  expect_refusal("dim", 100, 2049, {1}, 1);
  expect_refusal("latents", 0, 8, {1}, 1);
}

TEST(CudaStepOptions, NamesItsStages) {
  const auto problem = problem_of<float>({4, 5, 9}, kind_of("auxiliary"), {2, 5}, Positive::half);
  Model model(problem);
  Stepper<float> stepper(problem);
  stepper.run(problem, model, {false, true});
  std::vector<std::string> stages;
  stepper.step().enqueue(test::stream, model.memory(),
                         [&](std::string_view stage) { stages.emplace_back(stage); });
  test::synchronise();
  EXPECT_EQ(stages,
            (std::vector<std::string>{"prepare", "encoder product", "select", "decoder product", "decode",
                                      "ds, dense", "dW, dense", "columns", "ds + dW + dV, lists", "dV, dense",
                                      "biases", "optimiser", "counters"}));
}

}  // namespace
}  // namespace msae::kernels::cuda
