#include "benchmarks/gpu/check.h"

#include <cmath>
#include <set>
#include <sstream>
#include <string>

#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/problem.h"
#include "benchmarks/gpu/step_run.h"
#include "cli/bench_problem.h"
#include "msae/core/error.h"
#include "msae/train/cuda.h"

namespace msae::gpu_benchmark {
namespace {

namespace cuda = kernels::cuda;
using train::Precision;

struct Tolerance {
  double gradient, movement, loss;
};

// Of gradients, where both see the same latents, only rounding is off. Later steps may choose other latents
// where two are nearly equal, all the more the less precise the products are.
Tolerance tolerance_of(Precision precision) {
  if (precision == Precision::bfloat16) return {5e-3, 0.15, 1e-3};
  if (precision == Precision::tf32) return {2e-3, 5e-2, 1e-3};
  return {5e-5, 5e-3, 1e-4};
}

double size_of(const torch::Tensor& values) {
  return values.to(torch::kFloat64).norm().item<double>();
}

// NaN is not close to anything.
void require_close(double distance, double tolerance, const std::string& what) {
  if (distance <= tolerance) return;
  std::ostringstream sentence;
  sentence << "the step is off: " << what << " is " << distance << " from what autograd has, more than "
           << tolerance;
  throw Error(sentence.str());
}

std::string name_of(const ProblemSize& size, Precision precision, const std::string& way) {
  std::ostringstream name;
  name << gpu_benchmark::name_of(precision) << ", " << size.rows << " x " << size.dim << ", " << size.latents
       << " latents, " << (size.k > 0 ? "topk" : "matryoshka") << ", " << way;
  return name.str();
}

// Whole multiples of `unit`, about `spread` of them and at most `most`.
torch::Tensor grid(at::IntArrayRef sizes, double unit, double spread, double most) {
  return torch::randn(sizes, on_device()).mul(spread).round().clamp(-most, most).mul(unit);
}

// Numbers whose pre-activations are exact in every precision and order of summing, and many of them equal: so
// both sides keep the same latents.
Input exact_input(const Problem& problem) {
  const torch::NoGradGuard no_grad;
  auto input = draw(problem, 1);
  auto& model = *input.model;
  input.batches = {grid({problem.rows(), problem.model.dim}, 1.0 / 16, 16, 64)};
  model.encoder.copy_(grid(model.encoder.sizes(), 1.0 / 16, 4, 16));
  model.decoder.copy_(model.decoder.to(torch::kBFloat16));
  model.latent_bias.copy_(grid(model.latent_bias.sizes(), 1.0 / 256, 64, 256));
  model.pre_bias.copy_(grid(model.pre_bias.sizes(), 1.0 / 4, 2, 8));
  return input;
}

torch::Tensor matrix(const float* from, std::int64_t rows, std::int64_t columns) {
  return torch::from_blob(const_cast<float*>(from), {rows, cuda::padded(columns)}, on_device())
      .narrow(1, 0, columns);
}

template <typename F>
void check_gradients(const Problem& problem, const cuda::DenseLevels& dense, const std::string& name) {
  const auto input = exact_input(problem);
  auto& model = *input.model;
  const auto& batch = input.batches.front();
  train::training_loss(model, batch, problem.train).backward();
  const torch::NoGradGuard no_grad;
  StepRun<F> run(model, problem.train, no_update(), 0);
  run.prepare(batch.size(0), dense);
  run.load(batch);
  run.enqueue();
  const auto& step = run.step();
  const auto latents = model.latents(), dim = model.dim();
  const auto tolerance = tolerance_of(problem.train.fused.precision).gradient;
  const auto compare = [&](const char* what, const torch::Tensor& ours, const torch::Tensor& theirs,
                           double least_size) {
    const auto size = std::max(size_of(theirs), least_size);
    require_close(size_of(ours - theirs) / size, tolerance, name + ": the gradient of the " + what);
  };
  compare("encoder", matrix(step.encoder_gradient(), latents, dim), model.encoder.grad(), 0);
  compare("decoder", matrix(step.decoder_gradient(), latents, dim), model.decoder.grad(), 0);
  const auto vector = [](const float* from, std::int64_t size) {
    return torch::from_blob(const_cast<float*>(from), {size}, on_device());
  };
  compare("latent bias", vector(step.latent_bias_gradient(), latents), model.latent_bias.grad(), 0);
  // Its two terms may nearly cancel out.
  const auto term = size_of(model.latent_bias.grad().matmul(model.encoder));
  compare("pre-bias", vector(step.pre_bias_gradient(), dim), model.pre_bias.grad(), term);
}

cuda::DenseLevels levels_from(std::int64_t levels, std::int64_t first_dense) {
  cuda::DenseLevels dense;
  for (std::int64_t l = 0; l < levels; ++l) dense.push_back(l >= first_dense);
  return dense;
}

void check_gradients(const ProblemSize& size, Precision precision) {
  const auto problem = problem_of(size, precision, {});
  const auto levels = models::level_count(problem.model.activation);
  for (const auto first_dense : std::set{std::int64_t{0}, levels / 2, levels}) {
    const auto name = name_of(size, precision, std::to_string(levels - first_dense) + " levels dense");
    const auto dense = levels_from(levels, first_dense);
    if (precision == Precision::bfloat16) {
      check_gradients<cuda::bfloat16>(problem, dense, name);
    } else {
      check_gradients<float>(problem, dense, name);
    }
  }
}

using MakeEngine = std::unique_ptr<train::Engine> (*)(models::SparseAutoencoder&, const train::TrainOptions&);

struct Trained {
  std::unique_ptr<models::SparseAutoencoder> model;
  train::StepMetrics metrics;
};

Trained train_some(MakeEngine make, const Input& input, const train::TrainOptions& options) {
  constexpr int steps = 8;
  Trained trained{cli::copy_of(*input.model), {}};
  const auto engine = make(*trained.model, options);
  for (int i = 0; i < steps; ++i) {
    engine->step(input.batches[static_cast<std::size_t>(i) % input.batches.size()], *options.learning_rate);
  }
  trained.metrics = engine->take_metrics();
  return trained;
}

void check_engine(const ProblemSize& size, Precision precision, double dense_level) {
  std::ostringstream way;
  way << "dense from " << dense_level;
  const auto name = name_of(size, precision, way.str());
  auto problem = problem_of(size, precision, dense_level);
  // With as large an epsilon AdamW moves parameters in proportion to their gradients; else it would make as
  // much of rounding as of a gradient.
  problem.train.epsilon = 1;
  problem.train.learning_rate = 0.1;
  problem.train.weight_decay = 2;
  const auto input = draw(problem, 3);
  const auto ours = train_some(train::make_cuda_engine, input, problem.train);
  const auto again = train_some(train::make_cuda_engine, input, problem.train);
  problem.train.fused.precision = Precision::full;
  const auto theirs = train_some(train::make_autograd_engine, input, problem.train);
  const torch::NoGradGuard no_grad;
  const auto tolerance = tolerance_of(precision);
  require_close(std::abs(ours.metrics.loss / theirs.metrics.loss - 1), tolerance.loss, name + ": the loss");
  const auto start = input.model->named_parameters(), expected = theirs.model->named_parameters(),
             second = again.model->named_parameters();
  double apart = 0, moved = 0;
  for (const auto& item : ours.model->named_parameters()) {
    const auto& key = item.key();
    if (!torch::equal(item.value(), second[key])) {
      throw Error("the step is off: " + name + ": two runs differ in the " + key);
    }
    apart += std::pow(size_of(item.value() - expected[key]), 2);
    moved += std::pow(size_of(expected[key] - start[key]), 2);
  }
  require_close(std::sqrt(apart / moved), tolerance.movement, name + ": where parameters have moved");
}

}  // namespace

void check_step() {
  const ProblemSize small{.rows = 37, .dim = 20, .latents = 90, .levels = {4, 16, 90}};
  const ProblemSize middle{.rows = 512, .dim = 256, .latents = 2048};
  const ProblemSize topk{.rows = 512, .dim = 256, .latents = 2048, .k = 32};
  for (const auto precision : {Precision::full, Precision::tf32, Precision::bfloat16}) {
    for (const auto& size : {small, middle, topk}) check_gradients(size, precision);
    for (const auto& size : {middle, topk}) {
      for (const auto dense_level : {0.0, 0.0125, 2.0}) check_engine(size, precision, dense_level);
    }
  }
}

}  // namespace msae::gpu_benchmark
