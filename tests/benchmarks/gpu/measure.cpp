#include "benchmarks/gpu/measure.h"

#include <c10/cuda/CUDACachingAllocator.h>

#include <algorithm>
#include <functional>

#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/step_run.h"
#include "benchmarks/gpu/thresholds.h"
#include "benchmarks/gpu/timing.h"
#include "benchmarks/gpu/traffic.h"
#include "cli/bench_problem.h"
#include "msae/train/cuda.h"
#include "train/cuda_graph.h"
#include "train/step_options.h"

namespace msae::gpu_benchmark {
namespace {

namespace cuda = kernels::cuda;

constexpr int warm_up = 5;
// The share of active latents stays what it is.
constexpr double hardly_any_learning = 1e-9;

std::function<const torch::Tensor&()> turns_of(const std::vector<torch::Tensor>& batches) {
  return [&batches, turn = std::size_t{0}]() mutable -> const torch::Tensor& {
    return batches[turn++ % batches.size()];
  };
}

// The host launches all of a step while the device is kept busy: so no stage waits for its launch.
template <typename F>
std::vector<train::StageTime> time_stages(StepRun<F>& run, const std::vector<torch::Tensor>& batches,
                                          int repeats) {
  constexpr std::int64_t longer_than_launches = 3000;  // microseconds
  const auto stream = current_stream();
  const auto next = turns_of(batches);
  std::vector<train::StageTime> stages;
  std::vector<std::vector<double>> times;
  for (int i = 0; i < repeats; ++i) {
    run.load(next());
    spin(stream, longer_than_launches);
    std::vector<Event> marks(1);
    marks.front().record(stream);
    run.enqueue([&](std::string_view stage) {
      if (i == 0) stages.push_back({std::string(stage), 0});
      marks.emplace_back().record(stream);
    });
    marks.back().wait();
    times.resize(stages.size());
    for (std::size_t s = 0; s < stages.size(); ++s) times[s].push_back(marks[s + 1].since(marks[s]));
  }
  for (std::size_t s = 0; s < stages.size(); ++s) stages[s].milliseconds = median(times[s]);
  return stages;
}

template <typename F>
std::vector<double> time_whole(StepRun<F>& run, const std::vector<torch::Tensor>& batches, int steps,
                               const std::function<void()>& step) {
  const auto next = turns_of(batches);
  const auto load = [&] { run.load(next()); };
  times_of(current_stream(), warm_up, load, step);
  return times_of(current_stream(), steps, load, step);
}

template <typename F>
std::vector<double> time_graph(StepRun<F>& run, const std::vector<torch::Tensor>& batches, int steps) {
  run.load(batches.front());
  run.enqueue();  // libraries set themselves up
  train::CudaGraph graph;
  graph.record(current_stream(), [&] { run.enqueue(); });
  auto times = time_whole(run, batches, steps, [&] { graph.launch(current_stream()); });
  require(cudaStreamSynchronize(current_stream()), "wait");  // before the graph ends
  return times;
}

template <typename F>
StepTimes time_step_of(const Problem& problem, const Input& input, const Repeats& repeats) {
  const auto model = cli::copy_of(*input.model);
  StepRun<F> run(*model, problem.train, training_update(problem.train),
                 static_cast<float>(hardly_any_learning));
  StepTimes found;
  found.dense = run.settle(input.batches.front());
  for (int i = 0; i < warm_up; ++i) run.enqueue();
  found.kept = run.kept();
  found.keep = train::step_options(*model, problem.train).levels;
  found.stages = time_stages(run, input.batches, repeats.stages);
  found.launched = median(time_whole(run, input.batches, repeats.steps, [&] { run.enqueue(); }));
  const auto graphs = time_graph(run, input.batches, repeats.steps);
  const auto [least, most] = std::minmax_element(graphs.begin(), graphs.end());
  found.graph = median(graphs);
  found.least_graph = *least;
  found.most_graph = *most;
  return found;
}

template <typename F>
std::vector<SweepPoint> sweep_of(const Problem& problem, const Input& input, const Repeats& repeats) {
  const auto model = cli::copy_of(*input.model);
  const auto levels = train::step_options(*model, problem.train).levels;
  const auto rate = static_cast<float>(hardly_any_learning);
  std::vector<double> shares;
  {
    StepRun<F> run(*model, problem.train, training_update(problem.train), rate);
    run.settle(input.batches.front());
    run.load(input.batches.front());
    run.enqueue();
    const auto all = static_cast<double>(problem.rows()) * static_cast<double>(model->latents());
    for (const auto kept : run.kept()) shares.push_back(static_cast<double>(kept) / all);
  }
  const auto half = (model->latents() + 1) / 2;
  const auto encoder =
      static_cast<double>(std::min(levels.back(), half)) / static_cast<double>(model->latents());
  std::vector<SweepPoint> points;
  for (const auto threshold : thresholds_between(shares, encoder)) {
    auto options = problem.train;
    options.fused.dense_level = threshold;
    StepRun<F> run(*model, options, training_update(options), rate);
    auto dense = run.settle(input.batches.front());
    const bool any = std::find(dense.begin(), dense.end(), true) != dense.end();
    points.push_back({threshold, std::move(dense), any || encoder >= threshold,
                      median(time_graph(run, input.batches, repeats.stages))});
  }
  return points;
}

bool is_bfloat16(const Problem& problem) {
  return problem.train.fused.precision == train::Precision::bfloat16;
}

}  // namespace

StepTimes time_step(const Problem& problem, const Input& input, const Repeats& repeats) {
  const torch::NoGradGuard no_grad;
  return is_bfloat16(problem) ? time_step_of<cuda::bfloat16>(problem, input, repeats)
                              : time_step_of<float>(problem, input, repeats);
}

std::vector<SweepPoint> sweep_dense(const Problem& problem, const Input& input, const Repeats& repeats) {
  const torch::NoGradGuard no_grad;
  return is_bfloat16(problem) ? sweep_of<cuda::bfloat16>(problem, input, repeats)
                              : sweep_of<float>(problem, input, repeats);
}

EngineTimes time_engine(const Problem& problem, Input& input, const Repeats& repeats) {
  using c10::cuda::CUDACachingAllocator::getDeviceStats;
  constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto device = input.model->decoder.device().index();
  const auto model = cli::copy_of(*input.model);
  input.model.reset();  // one is enough
  c10::cuda::CUDACachingAllocator::emptyCache();
  c10::cuda::CUDACachingAllocator::resetPeakStats(device);
  const auto engine = train::make_cuda_engine(*model, problem.train);
  const auto next = turns_of(input.batches);
  for (int i = 0; i < warm_up; ++i) engine->step(next(), hardly_any_learning);
  std::vector<Event> marks(static_cast<std::size_t>(repeats.steps) + 1);
  marks.front().record(current_stream());
  for (std::size_t i = 1; i < marks.size(); ++i) {
    engine->step(next(), hardly_any_learning);
    marks[i].record(current_stream());
  }
  marks.back().wait();
  EngineTimes found;
  std::vector<double> times;
  for (std::size_t i = 1; i < marks.size(); ++i) times.push_back(marks[i].since(marks[i - 1]));
  found.ms = median(times);
  std::int64_t parameters = 0;
  for (const auto& parameter : model->parameters()) {
    parameters += static_cast<std::int64_t>(parameter.nbytes());
  }
  found.memory = engine->memory();
  found.memory.insert(found.memory.begin(), {{"parameters", parameters}, {"moments", 2 * parameters}});
  for (const auto& batch : input.batches) found.batches += static_cast<std::int64_t>(batch.nbytes());
  found.peak = getDeviceStats(device).allocated_bytes[all].peak;
  return found;
}

}  // namespace msae::gpu_benchmark
