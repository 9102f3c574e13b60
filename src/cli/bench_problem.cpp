#include "cli/bench_problem.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <span>

#include "io/tensor_file.h"
#include "msae/core/memory.h"
#include "msae/core/version.h"

namespace msae::cli {
namespace {

// Latents of a row at most.
std::int64_t widest(const models::SparseAutoencoderOptions& model) {
  if (const auto* topk = std::get_if<models::TopK>(&model.activation)) return topk->k;
  if (const auto* nested = std::get_if<models::Matryoshka>(&model.activation)) return nested->levels.back();
  return model.latents;
}

// What fused kernels keep beside the gradients: levels of residuals, and latents by rows and by columns.
double fused_bytes(const BenchProblem& p, double batch, double dictionary) {
  const auto share = p.active.value_or(0.5) * static_cast<double>(p.model.latents);
  const auto entries = static_cast<double>(p.rows()) * std::min(share, static_cast<double>(widest(p.model)));
  const auto levels = static_cast<double>(models::level_count(p.model.activation));
  return sizeof(float) * (levels * batch + 3 * batch + dictionary) + 24 * entries;
}

// One bias for all latents that leaves `positive` of the pre-activations above zero.
float bias_that_leaves(std::int64_t positive, std::span<float> pre) {
  const auto all = std::ssize(pre);
  if (positive >= all) {
    const auto least = *std::min_element(pre.begin(), pre.end());
    return -least + std::max(std::abs(least) * 1e-6f, FLT_MIN);
  }
  const auto largest_below = pre.begin() + positive;
  std::nth_element(pre.begin(), largest_below, pre.end(), std::greater<>());
  return -*largest_below;
}

}  // namespace

void require_memory_for(const BenchProblem& problem, const std::vector<std::string>& engines) {
  const auto rows = static_cast<double>(problem.rows());
  const auto dim = static_cast<double>(problem.model.dim),
             latents = static_cast<double>(problem.model.latents);
  const auto dictionary = latents * dim, batch = rows * dim, pre = rows * latents;
  double kept = sizeof(float) * (2 * dictionary + batch), at_work = sizeof(float) * pre;
  for (const auto& engine : problem.device.is_cpu() ? engines : std::vector<std::string>()) {
    kept += sizeof(float) * 8 * dictionary;  // parameters, gradients, two moments
    if (engine == "fused") kept += fused_bytes(problem, batch, dictionary);
    if (engine == "autograd") at_work = sizeof(float) * 3 * pre;
  }
  constexpr double most = 1e19;  // what the number can hold
  require_memory(static_cast<std::uint64_t>(std::min(kept + at_work, most)),
                 "a step of " + std::to_string(problem.rows()) + " rows of dimension " +
                     std::to_string(problem.model.dim) + " with " + std::to_string(problem.model.latents) +
                     " latents");
}

BenchInput draw(const BenchProblem& problem) {
  const torch::NoGradGuard no_grad;
  BenchInput input;
  input.model = std::make_unique<models::SparseAutoencoder>(problem.model);
  auto generator = at::detail::createCPUGenerator(problem.train.seed);
  input.batch = torch::empty({problem.rows(), problem.model.dim}, torch::kFloat32);
  input.batch.normal_(0, 1, generator);
  auto kept = input.model->pre_activations(input.model->normalise(input.batch)).contiguous();
  const std::span pre(kept.data_ptr<float>(), static_cast<std::size_t>(kept.numel()));
  float bias = 0;
  if (problem.active) {
    bias = bias_that_leaves(std::llround(*problem.active * static_cast<double>(pre.size())), pre);
    input.model->latent_bias.fill_(bias);
  }
  const auto positive = std::count_if(pre.begin(), pre.end(), [bias](float p) { return p + bias > 0; });
  input.active_fraction = static_cast<double>(positive) / static_cast<double>(pre.size());
  input.model->to(problem.device);
  input.batch = input.batch.to(problem.device);
  return input;
}

std::unique_ptr<models::SparseAutoencoder> copy_of(const models::SparseAutoencoder& model) {
  const torch::NoGradGuard no_grad;
  auto copy = std::make_unique<models::SparseAutoencoder>(model.options());
  copy->to(model.decoder.device());
  const auto from = model.named_parameters();
  for (auto& item : copy->named_parameters()) item.value().copy_(from[item.key()]);
  return copy;
}

void save_problem(const BenchInput& input, const std::string& file) {
  const auto& model = *input.model;
  const torch::NoGradGuard no_grad;
  io::save_tensors(
      file,
      {{{"encoder", model.encoder},
        {"decoder", model.decoder},
        {"latent_bias", model.latent_bias},
        {"pre_bias", model.pre_bias},
        {"batch", input.batch}},
       {{"format", "msae bench"}, {"msae_version", version()}, {"model", models::kind(model.activation())}}});
}

}  // namespace msae::cli
