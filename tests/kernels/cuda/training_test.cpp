// Several steps one after the other.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/cpu/adam.h"
#include "kernels/cuda/limits.h"
#include "kernels/cuda/stepper.h"

namespace msae::kernels::cuda {
namespace {

using kernels::test::difference;
using kernels::test::kind_of;
using kernels::test::Levels;
using kernels::test::naive_step;
using kernels::test::NaiveStep;
using kernels::test::Positive;
using kernels::test::Problem;
using kernels::test::problem_of;
using kernels::test::Random;
using kernels::test::Shape;
using kernels::test::Table;
using test::Dense;
using test::dense_of;
using test::DeviceArray;
using test::Model;
using test::no_update;
using test::Stepper;
using test::table_of;

Table<float> rounded(const Table<double>& table) {
  Table<float> result(table.rows(), table.columns());
  for (std::int64_t i = 0; i < table.rows() * table.columns(); ++i) {
    result.data()[i] = static_cast<float>(table.data()[i]);
  }
  return result;
}

double square_of(const Table<float>& table) {
  const auto size = kernels::test::size_of(table);
  return size * size;
}

// A training loop from its definition: a step's gradients, then the optimiser of the CPU.
class NaiveTraining {
 public:
  NaiveTraining(const Problem<float>& problem, const UpdateOptions& update)
      : problem_(problem),
        update_(update),
        encoder_(problem.encoder),
        decoder_(problem.decoder),
        latent_bias_(problem.latent_bias),
        pre_bias_(problem.pre_bias),
        sums_(5) {
    for (const auto dead : problem.dead) last_active_.push_back(dead != 0 ? 499 : 500);
  }

  void step(const Table<float>& batch, const Scalars& scalars) {
    problem_.batch = batch;
    problem_.factor = scalars.factor;
    for (std::size_t j = 0; j < last_active_.size(); ++j) {
      problem_.dead[j] = scalars.rows_seen - batch.rows() - last_active_[j] > update_.dead_after ? 1 : 0;
    }
    const auto found = naive_step(problem_);
    for (std::size_t j = 0; j < last_active_.size(); ++j) {
      if (found.fired(0, static_cast<std::int64_t>(j)) != 0) last_active_[j] = scalars.rows_seen;
    }
    sums_[0] += found.loss * scalars.loss_weight * static_cast<double>(batch.rows());
    sums_[1] += found.residual;
    sums_[2] += found.deviation;
    sums_[3] += static_cast<double>(found.active);
    sums_[4] += static_cast<double>(batch.rows());
    update(found, scalars);
  }

  const Problem<float>& problem() const { return problem_; }
  const std::vector<double>& sums() const { return sums_; }
  const std::vector<std::int64_t>& last_active() const { return last_active_; }

 private:
  struct Moments {
    Table<float> first, second;
    explicit Moments(const Table<float>& of)
        : first(of.rows(), of.columns()), second(of.rows(), of.columns()) {}
  };

  void update(const NaiveStep& found, const Scalars& scalars) {
    auto& p = problem_;
    auto encoder = rounded(found.encoder), decoder = rounded(found.decoder);
    const auto latent_bias = rounded(found.latent_bias), pre_bias = rounded(found.pre_bias);
    std::vector<double> squares(static_cast<std::size_t>(p.latents()));
    rescale<float>({.rows = update_.before,
                    .decoder = p.decoder.matrix(),
                    .decoder_gradient = decoder.matrix(),
                    .encoder = p.encoder.matrix(),
                    .encoder_gradient = encoder.matrix(),
                    .latent_bias = p.latent_bias.data(),
                    .latent_bias_gradient = latent_bias.data(),
                    .epsilon = update_.row_epsilon,
                    .squares = squares.data()},
                   0, p.latents());
    const auto norm =
        std::sqrt(square_of(encoder) + square_of(decoder) + square_of(latent_bias) + square_of(pre_bias));
    const auto share = static_cast<double>(update_.clip) / (norm + 1e-6);
    const Adam<float> by{.clip = update_.clip > 0 && share < 1 ? static_cast<float>(share) : 1,
                         .decay = scalars.decay,
                         .beta1 = update_.beta1,
                         .beta2 = update_.beta2,
                         .rate = scalars.rate,
                         .correction = scalars.correction,
                         .epsilon = update_.epsilon};
    move(by, encoder, p.encoder, encoder_);
    move(by, decoder, p.decoder, decoder_);
    move(by, latent_bias, p.latent_bias, latent_bias_);
    move(by, pre_bias, p.pre_bias, pre_bias_);
    for (std::int64_t j = 0; update_.unit_after && j < p.latents(); ++j)
      to_unit_norm(&p.decoder(j, 0), p.dim(), update_.row_epsilon);
  }

  static void move(const Adam<float>& by, const Table<float>& gradient, Table<float>& value,
                   Moments& moments) {
    for (std::int64_t i = 0; i < value.rows(); ++i) {
      adam(by, &gradient(i, 0), value.columns(), &value(i, 0), &moments.first(i, 0), &moments.second(i, 0));
    }
  }

  Problem<float> problem_;
  UpdateOptions update_;
  Moments encoder_, decoder_, latent_bias_, pre_bias_;
  std::vector<double> sums_;
  std::vector<std::int64_t> last_active_;
};

UpdateOptions update_of(Rows before, float clip) {
  auto update = no_update();
  update.before = before;
  update.unit_after = before == Rows::project;
  update.clip = clip;
  // Moments as small as rounding errors move nothing.
  update.epsilon = 1e-3f;
  return update;
}

Scalars scalars_of(const Problem<float>& problem, int step, std::int64_t rows_seen,
                   const UpdateOptions& update) {
  constexpr double rate = 0.01, decay = 0.1;
  const auto unbias1 = 1 - std::pow(static_cast<double>(update.beta1), step);
  const auto unbias2 = 1 - std::pow(static_cast<double>(update.beta2), step);
  return {.factor = problem.factor / step,
          .loss_weight = static_cast<double>(step),
          .decay = static_cast<float>(1 - rate * decay),
          .rate = static_cast<float>(rate / unbias1),
          .correction = static_cast<float>(1 / std::sqrt(unbias2)),
          .rows_seen = rows_seen};
}

// Batches that differ in size, the last ones being short, and levels that become matrices and lists again.
constexpr std::int64_t batch_rows[] = {12, 12, 40, 12, 5, 12, 1};
constexpr Dense ways[] = {Dense::none, Dense::all, Dense::odd, Dense::last,
                          Dense::none, Dense::all, Dense::odd};
constexpr int steps = 7;

std::vector<Table<float>> batches_of(std::int64_t dim) {
  Random random(static_cast<std::uint64_t>(dim));
  std::vector<Table<float>> batches;
  for (const auto rows : batch_rows) {
    batches.push_back(Table<float>(rows, dim).fill_with(random));
    if (rows > 3) std::fill_n(&batches.back()(3, 0), dim, 0.0f);
  }
  return batches;
}

template <typename Parameter>
Table<float> values_of(const Parameter& parameter, std::int64_t rows, std::int64_t columns) {
  return table_of(parameter.value.data(), rows, columns, columns);
}

void expect_training(const char* kind, const Levels& levels, std::int64_t dim, Rows before, float clip) {
  SCOPED_TRACE(testing::Message() << kind << ", levels " << testing::PrintToString(levels) << ", dim " << dim
                                  << ", before " << static_cast<int>(before) << ", clip " << clip);
  constexpr std::int64_t latents = 33;
  auto problem = problem_of<float>({12, dim, latents}, kind_of(kind), levels, Positive::half);
  // The encoder's gradient then is a product, where levels may keep so many.
  if (dim % 8 == 0) problem.options.dense.level = 0.4;
  const auto update = update_of(before, clip);
  Model model(problem);
  Stepper<float> stepper(problem, update);
  stepper.step().prepare(12, dense_of(Dense::none, problem.options.levels.size()));
  stepper.step().refresh(test::stream, model.memory());
  NaiveTraining expected(problem, update);
  std::int64_t seen = 1000;
  int t = 0;
  for (const auto& batch : batches_of(dim)) {
    SCOPED_TRACE(testing::Message() << "step " << t);
    seen += batch.rows();
    const auto dense = dense_of(ways[t], problem.options.levels.size());
    const auto scalars = scalars_of(problem, ++t, seen, update);
    stepper.run(batch, model, dense, scalars);
    expected.step(batch, scalars);
    const auto& p = expected.problem();
    constexpr double tolerance = 2e-5;
    EXPECT_LE(difference(values_of(model.encoder, latents, dim), p.encoder), tolerance);
    EXPECT_LE(difference(values_of(model.decoder, latents, dim), p.decoder), tolerance);
    EXPECT_LE(difference(values_of(model.latent_bias, 1, latents), p.latent_bias), tolerance);
    EXPECT_LE(difference(values_of(model.pre_bias, 1, dim), p.pre_bias), tolerance);
    EXPECT_EQ(model.last_active.host(), expected.last_active());
  }
  const auto sums = model.sums.host();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(sums[i], expected.sums()[i], 2e-5 * expected.sums()[i]) << i;
  }
}

// Rows of 8 are read as they are; of those of 5 the optimiser makes factors for the next step.
TEST(CudaTraining, IsThatOfItsDefinition) {
  const Levels few = {2, 9, 20}, many = {1, 2, 3, 5, 8, 13, 21, 33};
  for (const std::int64_t dim : {5, 8}) {
    expect_training("plain", few, dim, Rows::project, 0.5f);
    expect_training("plain", many, dim, Rows::rescale, 0);
    expect_training("squared", {7}, dim, Rows::as_they_are, 0);
    expect_training("l1", {33}, dim, Rows::project, 0);
    expect_training("auxiliary", few, dim, Rows::project, 1);
    expect_training("over the batch", many, dim, Rows::rescale, 1);
    expect_training("auxiliary, over the batch, capped", few, dim, Rows::project, 0);
  }
}

// All that training leaves behind.
struct Outcome {
  std::vector<std::vector<float>> parameters;
  std::vector<double> sums;

  explicit Outcome(const Model& model) : sums(model.sums.host()) {
    for (const auto* one : {&model.encoder, &model.decoder, &model.latent_bias, &model.pre_bias}) {
      for (const auto* array : {&one->value, &one->first, &one->second}) parameters.push_back(array->host());
    }
  }
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

template <typename F>
Outcome train(const Problem<float>& problem, const Dense* dense) {
  const auto update = update_of(Rows::project, 1);
  Model model(problem);
  Stepper<F> stepper(problem, update);
  stepper.step().prepare(1, DenseLevels(problem.options.levels.size()));
  stepper.step().refresh(test::stream, model.memory());
  std::int64_t seen = 1000;
  int t = 0;
  for (const auto& batch : batches_of(problem.dim())) {
    const auto levels = dense_of(dense[t], problem.options.levels.size());
    seen += batch.rows();
    ++t;
    stepper.run(batch, model, levels, scalars_of(problem, t, seen, update));
  }
  return Outcome(model);
}

template <typename F>
class CudaTrainingOf : public testing::Test {};
TYPED_TEST_SUITE(CudaTrainingOf, test::Factors);

TYPED_TEST(CudaTrainingOf, HasTheSameBitsEachTime) {
  for (const auto* kind : {"plain", "over the batch", "auxiliary, l1, squared"}) {
    const auto problem = problem_of<float>({12, 13, 33}, kind_of(kind), {2, 9, 20}, Positive::half);
    const auto once = train<TypeParam>(problem, ways);
    EXPECT_TRUE(once == train<TypeParam>(problem, ways)) << kind;
    for (const auto& values : once.parameters) {
      for (const auto value : values) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

// A step's gradients, of one batch.
template <typename F>
std::vector<Table<float>> gradients_of(const Problem<float>& problem, Dense dense) {
  Model model(problem);
  Stepper<F> stepper(problem);
  stepper.run(problem, model, dense_of(dense, problem.options.levels.size()));
  const auto& step = stepper.step();
  const auto width = padded(problem.dim()), latents = problem.latents();
  return {table_of(step.encoder_gradient(), latents, problem.dim(), width),
          table_of(step.decoder_gradient(), latents, problem.dim(), width),
          table_of(step.latent_bias_gradient(), 1, latents, latents),
          table_of(step.pre_bias_gradient(), 1, problem.dim(), problem.dim())};
}

// Whatever is listed: rounding aside.
TYPED_TEST(CudaTrainingOf, IsTheSameForListsAndMatrices) {
  constexpr double tolerance = sizeof(TypeParam) == 4 ? 3e-6 : 5e-3;
  for (const auto* kind : {"plain", "plain l1, capped", "over the batch, squared, capped",
                           "auxiliary, l1, squared", "auxiliary, over the batch, capped"}) {
    const auto problem = problem_of<float>({20, 13, 65}, kind_of(kind), {2, 20, 30, 64}, Positive::half);
    const auto lists = gradients_of<TypeParam>(problem, Dense::none);
    for (const auto dense : {Dense::all, Dense::odd, Dense::last}) {
      const auto other = gradients_of<TypeParam>(problem, dense);
      for (std::size_t i = 0; i < lists.size(); ++i) {
        EXPECT_LE(difference(other[i], lists[i]), tolerance)
            << kind << ", " << static_cast<int>(dense) << ", " << i;
      }
    }
  }
}

// Rounding decides which values are positive, unless all are.
void expect_near_half(Positive positive, double tolerance) {
  for (const auto* kind : {"plain", "squared", "capped", "l1"}) {
    const auto problem = problem_of<float>({40, 29, 50}, kind_of(kind), {50}, positive);
    for (const auto dense : {Dense::none, Dense::all}) {
      const auto exact = gradients_of<float>(problem, dense), half = gradients_of<bfloat16>(problem, dense);
      for (std::size_t i = 0; i < exact.size(); ++i) {
        EXPECT_LE(difference(half[i], exact[i]), tolerance) << kind << ", " << i;
        EXPECT_GT(difference(half[i], exact[i]), 0) << "they would not be in half the precision";
      }
    }
  }
}

TEST(CudaTraining, IsNearlyTheSameWithFactorsInHalfThePrecision) {
  expect_near_half(Positive::all, 8e-3);
  expect_near_half(Positive::half, 4e-2);
}

// Factors are copies of parameters, which others may change between steps.
TYPED_TEST(CudaTrainingOf, SeesParametersThatOthersHaveChanged) {
  for (const std::int64_t dim : {5, 8}) {
    const Shape shape{12, dim, 33};
    auto problem = problem_of<float>(shape, kind_of("plain"), {3, 9}, Positive::half);
    Model model(problem);
    Stepper<TypeParam> stepper(problem);
    stepper.run(problem, model, DenseLevels(2));
    Random random(3);
    problem.encoder.fill_with(random);
    problem.decoder.fill_with(random);
    model = Model(problem);
    stepper.run(problem, model, DenseLevels(2));
    Model fresh(problem);
    Stepper<TypeParam> other(problem);
    other.run(problem, fresh, DenseLevels(2));
    EXPECT_EQ(model.sums.host(), fresh.sums.host()) << dim;
    const auto width = padded(dim);
    EXPECT_TRUE(same_bits(table_of(stepper.step().encoder_gradient(), 33, width, width),
                          table_of(other.step().encoder_gradient(), 33, width, width)));
  }
}

// Data has a mean and a scale: what is trained on is (raw - mean) * scale, a power of two so that it is
// exact.
TEST(CudaTraining, TakesBatchesToModelSpace) {
  for (const auto* kind : {"plain", "over the batch"}) {
    auto problem = problem_of<float>({12, 13, 33}, kind_of(kind), {2, 9, 20}, Positive::half);
    Model model(problem);
    Random random(1);
    auto raw = Table<float>(12, 13).fill_with(random, 3);
    const auto mean = Table<float>(1, 13).fill_with(random);
    constexpr float scale = 0.25f;
    for (std::int64_t b = 0; b < 12; ++b) {
      for (std::int64_t d = 0; d < 13; ++d) problem.batch(b, d) = (raw(b, d) - mean(0, d)) * scale;
    }
    model.mean = DeviceArray<float>(test::values_of(mean));
    model.scale = DeviceArray<float>(1, scale);
    Stepper<float> stepper(problem);
    stepper.step().prepare(12, DenseLevels(3));
    stepper.step().refresh(test::stream, model.memory());
    stepper.run(raw, model, DenseLevels(3), test::scalars_of(problem));
    const auto expected = naive_step(problem);
    EXPECT_NEAR(model.sums.host()[0], expected.loss * 12, 1e-5 * expected.loss * 12);
    EXPECT_LE(difference(table_of(stepper.step().encoder_gradient(), 33, 13, padded(13)), expected.encoder),
              1e-5);
    EXPECT_LE(difference(table_of(stepper.step().decoder_gradient(), 33, 13, padded(13)), expected.decoder),
              1e-5);
  }
}

// Of so many levels that are matrices, products take some rows after others.
TEST(CudaTraining, TakesProductsOfManyRowsInTurns) {
  Levels levels;
  for (std::int64_t l = 1; l <= max_levels; ++l) levels.push_back(12 * l);
  const auto problem = problem_of<float>({258, 2, 800}, kind_of("capped"), levels, Positive::half);
  Model model(problem);
  Stepper<float> stepper(problem);
  stepper.run(problem, model, DenseLevels(levels.size(), true));
  const auto expected = naive_step(problem);
  EXPECT_LE(difference(table_of(stepper.step().encoder_gradient(), 800, 2, padded(2)), expected.encoder),
            1e-5);
  EXPECT_LE(difference(table_of(stepper.step().decoder_gradient(), 800, 2, padded(2)), expected.decoder),
            1e-5);
}

}  // namespace
}  // namespace msae::kernels::cuda
