#include "cli/bench_engines.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "cli/device_parts.h"
#include "msae/core/memory.h"
#include "ops/products.h"
#include "ops/torch_executor.h"
#include "train/device_queue.h"

namespace msae::cli {
namespace {

using BenchClock = std::chrono::steady_clock;

constexpr double hardly_any_learning = 1e-9;

double milliseconds_since(BenchClock::time_point start) {
  return std::chrono::duration<double, std::milli>(BenchClock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// An engine, its model, and what was measured of it.
struct Contestant {
  std::string name;
  std::unique_ptr<models::SparseAutoencoder> model;
  std::unique_ptr<train::Engine> engine;
  std::vector<double> steps;
  std::vector<std::vector<double>> stages;  // of each stage, for each step

  Contestant(std::string engine_name, const BenchProblem& problem, const BenchInput& input)
      : name(std::move(engine_name)), model(copy_of(*input.model)) {
    auto options = problem.train;
    options.engine = name == "fused" ? train::EngineKind::fused : train::EngineKind::autograd;
    if (options.engine == train::EngineKind::autograd) options.fused.precision = train::Precision::full;
    engine = parts_for(*model).engine(*model, options);
  }

  void step(const torch::Tensor& batch, bool counts) {
    train::wait_for_device(batch.device());
    const auto start = BenchClock::now();
    engine->step(batch, hardly_any_learning);
    train::wait_for_device(batch.device());
    const auto took = milliseconds_since(start);
    if (!counts) return;
    steps.push_back(took);
    const auto parts = engine->stages();
    stages.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) stages[i].push_back(parts[i].milliseconds);
  }

  EngineTimes times() const {
    const auto [least, most] = std::minmax_element(steps.begin(), steps.end());
    auto parts = engine->stages();
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].milliseconds = median(stages[i]);
    return {name, median(steps), *least, *most, std::move(parts), engine->shape(), engine->memory()};
  }
};

// The shortest of several runs, in seconds.
double best_seconds(const std::function<void()>& work) {
  constexpr int least_runs = 4, most_runs = 50;
  constexpr double long_enough = 500;  // milliseconds
  work();
  double best = std::numeric_limits<double>::max();
  const auto start = BenchClock::now();
  for (int run = 0; run < least_runs || (run < most_runs && milliseconds_since(start) < long_enough); ++run) {
    const auto began = BenchClock::now();
    work();
    best = std::min(best, milliseconds_since(began));
  }
  return best / 1e3;
}

// Elements of each of two arrays to copy between.
std::int64_t elements_to_copy() {
  constexpr std::uint64_t usual = 256'000'000;
  const auto cache = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_LEVEL3_CACHE_SIZE)));
  const auto bytes = std::min(std::max(usual, 2 * cache), available_memory() / 8);
  return static_cast<std::int64_t>(bytes / sizeof(float)) + 1;
}

// Operations a second of the encoder's product: the best of LibTorch with all threads at one, and of every
// library a block of rows a thread.
double product_rate(std::int64_t rows, std::int64_t dim, std::int64_t latents) {
  const auto a = torch::rand({rows, dim}), b = torch::rand({latents, dim});
  auto out = torch::empty({rows, latents});
  auto seconds = best_seconds([&] { at::mm_out(out, a, b.t()); });
  constexpr std::int64_t block = 256;
  for (const auto library : ops::all_product_libraries) {
    if (!ops::is_available(library)) continue;
    const auto by_b = ops::product<float>(library).by(true, latents, dim, b.data_ptr<float>());
    const auto multiply_blocks = [&] {
      ops::torch_executor().run((rows + block - 1) / block, [&](std::int64_t i, int) {
        const auto first = i * block, count = std::min(block, rows - first);
        by_b(count, a.data_ptr<float>() + first * dim, out.data_ptr<float>() + first * latents);
      });
    };
    seconds = std::min(seconds, best_seconds(multiply_blocks));
  }
  return 2 * static_cast<double>(rows) * static_cast<double>(dim) * static_cast<double>(latents) / seconds;
}

}  // namespace

std::vector<EngineTimes> time_steps(const BenchProblem& problem, const BenchInput& input,
                                    const std::vector<std::string>& engines, std::int64_t repeats,
                                    const std::function<void(const std::string&)>& before_step) {
  at::set_num_threads(problem.threads);
  std::vector<Contestant> contestants;
  contestants.reserve(engines.size());
  for (const auto& name : engines) contestants.emplace_back(name, problem, input);
  for (std::int64_t step = 0; step < warm_up_steps + repeats; ++step) {
    for (auto& contestant : contestants) {
      before_step(contestant.name);
      contestant.step(input.batch, step >= warm_up_steps);
    }
  }
  std::vector<EngineTimes> all;
  all.reserve(contestants.size());
  for (const auto& contestant : contestants) all.push_back(contestant.times());
  return all;
}

MachineRates measure_rates(const BenchProblem& problem) {
  const torch::NoGradGuard no_grad;
  at::set_num_threads(problem.threads);
  MachineRates rates;
  rates.flops = product_rate(problem.rows(), problem.model.dim, problem.model.latents);
  const auto count = elements_to_copy();
  const auto from = torch::ones({count}), to = torch::zeros({count});
  // A copy may read first what it overwrites; an update in place has to.
  const auto seconds = std::min(best_seconds([&] { to.copy_(from); }), best_seconds([&] { to.mul_(0.5); }));
  rates.bytes = 2.0 * static_cast<double>(from.nbytes()) / seconds;
  return rates;
}

}  // namespace msae::cli
