#include "benchmarks/gpu/problem.h"

#include <ATen/ops/sort.h>

#include <algorithm>
#include <cmath>

#include "benchmarks/gpu/device.h"

namespace msae::gpu_benchmark {
namespace {

models::Activation activation_of(const ProblemSize& size) {
  if (size.k > 0) return models::TopK{size.k};
  const auto levels = size.levels.empty()
                          ? models::doubling_levels(std::min<std::int64_t>(64, size.latents), size.latents)
                          : size.levels;
  return models::Matryoshka{.levels = levels, .weights = models::reverse_weights(levels.size())};
}

// What has to be added to all pre-activations for that share of them to be positive.
float bias_for(const torch::Tensor& pre, double share) {
  const auto sorted = std::get<0>(at::sort(pre.flatten(), 0, /*descending=*/true));
  const auto positive = std::llround(share * static_cast<double>(sorted.numel()));
  const auto largest_below = std::clamp<std::int64_t>(positive, 0, sorted.numel() - 1);
  return -sorted[largest_below].item<float>();
}

}  // namespace

Problem problem_of(const ProblemSize& size, train::Precision precision, std::optional<double> dense_level) {
  Problem problem;
  problem.model = {.dim = size.dim, .latents = size.latents, .activation = activation_of(size)};
  problem.train.batch_size = size.rows;
  problem.train.dead_after = std::int64_t{1} << 40;
  problem.train.fused.precision = precision;
  if (dense_level) problem.train.fused.dense_level = *dense_level;
  problem.active = size.active;
  problem.model.validate();
  problem.train = problem.train.for_data(size.dim, size.latents, size.rows);
  return problem;
}

std::vector<ProblemSize> paper_sizes() {
  return {{.rows = 4096, .dim = 768, .latents = 6144, .active = 0.2},
          {.rows = 4096, .dim = 768, .latents = 6144, .active = 0.5},
          {.rows = 4096, .dim = 768, .latents = 24576, .active = 0.2},
          {.rows = 4096, .dim = 512, .latents = 4096, .k = 64, .active = 0.5}};
}

std::string name_of(train::Precision precision) {
  if (precision == train::Precision::bfloat16) return "bf16";
  return precision == train::Precision::tf32 ? "tf32" : "float32";
}

Input draw(const Problem& problem, int batches) {
  const torch::NoGradGuard no_grad;
  Input input;
  input.model = std::make_unique<models::SparseAutoencoder>(problem.model);
  input.model->to(torch::kCUDA);
  torch::manual_seed(problem.train.seed);
  for (int i = 0; i < batches; ++i) {
    input.batches.push_back(torch::randn({problem.rows(), problem.model.dim}, on_device()));
  }
  auto& model = *input.model;
  const auto pre = model.pre_activations(model.normalise(input.batches.front()));
  if (problem.active) model.latent_bias.fill_(bias_for(pre, *problem.active));
  input.active_fraction = (pre + model.latent_bias).gt(0).to(torch::kFloat64).mean().item<double>();
  return input;
}

}  // namespace msae::gpu_benchmark
