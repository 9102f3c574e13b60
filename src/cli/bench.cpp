#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "cli/bench_report.h"
#include "cli/bench_tune.h"
#include "cli/command.h"
#include "cli/device_parts.h"
#include "cli/numbers.h"
#include "cli/progress_bar.h"
#include "cli/train_model.h"
#include "core/atomic_file.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "train/precision.h"

namespace msae::cli {
namespace {

struct BenchArguments {
  TrainArguments model;  // what of it the options of bench name, and `common`
  std::int64_t rows = 4096, dim = 768, repeats = 10;
  std::optional<double> active;
  std::vector<std::string> engines;
  std::string problem;
  bool force = false;
  bool scaling = false, tune = false;
};

void check_values(const BenchArguments& a) {
  const auto check = [](const char* option, std::int64_t value, std::int64_t most) {
    if (value >= 1 && value <= most) return;
    throw std::invalid_argument(std::string(option) + ": must be from 1 to " + std::to_string(most) +
                                ", not " + std::to_string(value));
  };
  check("--rows", a.rows, 1'000'000'000);
  check("--dim", a.dim, 1'000'000'000);
  check("--repeats", a.repeats, 1'000'000);
  if (a.active && !(*a.active >= 0 && *a.active <= 1)) {
    std::ostringstream sentence;
    sentence << "--active: must be from 0 to 1, not " << *a.active;
    throw std::invalid_argument(sentence.str());
  }
}

// Before the work whose results would be lost.
void check_files(const BenchArguments& a) {
  const ResultFile problem{"--problem", a.problem, {}};
  refuse_shared_files({problem, json_target(a.model.common)});
  if (a.problem.empty()) return;
  refuse_to_replace(a.problem, a.force);
  const files::AtomicFile writable(a.problem);
}

// 64, 128, ... and all, as published, whatever the preset says.
std::string published_levels(std::int64_t latents) {
  std::string text;
  for (const auto level : models::doubling_levels(std::min<std::int64_t>(64, latents), latents)) {
    text += (text.empty() ? "" : ",") + std::to_string(level);
  }
  return text;
}

BenchProblem problem_of(const BenchArguments& arguments) {
  auto a = arguments.model;
  refuse_what_does_not_apply(a);
  const auto latents = latents_of(a, arguments.dim);
  if (a.model == "matryoshka" && a.levels == "auto") a.levels = published_levels(latents);
  BenchProblem problem;
  problem.model = model_of(a, arguments.dim, latents);
  problem.train = train_options(a, problem.model);
  problem.train.batch_size = arguments.rows;
  problem.active = arguments.active;
  problem.threads = at::get_num_threads();
  problem.device = resolve_device(a.common.device);
  problem.model.validate();
  problem.train = problem.train.for_data(arguments.dim, latents, arguments.rows);
  return problem;
}

std::vector<std::string> engines_of(const BenchArguments& a) {
  return a.engines.empty() ? std::vector<std::string>{"fused", "autograd"} : a.engines;
}

// Those that were asked for, or all that take the model.
std::vector<std::string> engines_for(const BenchArguments& a, const BenchProblem& problem,
                                     const models::SparseAutoencoder& model) {
  train::require_precision(model, problem.train);
  const auto obstacle = fused_obstacle_there(model, problem.train);
  auto engines = engines_of(a);
  if (obstacle.empty() || std::find(engines.begin(), engines.end(), "fused") == engines.end()) return engines;
  if (!a.engines.empty()) throw std::invalid_argument("--engine: fused cannot train this model: " + obstacle);
  say(a.model.common, "msae: the fused engine is left out: " + obstacle);
  return {"autograd"};
}

// Called before each of the steps.
class BenchProgress {
 public:
  BenchProgress(const BenchArguments& a, std::size_t engines)
      : bar_(!a.model.common.quiet),
        steps_(static_cast<double>(a.repeats + warm_up_steps) * static_cast<double>(engines)) {}

  /// \param what is timed now  \param share of the work of which that is `part`
  void step(const std::string& what, double done, double part) {
    if (interrupted()) throw Error("interrupted while timing the steps; there are no results");
    if (Clock::now() > worth_a_bar_) bar_.update(done + part * step_ / steps_, "timing " + what);
    step_ += 1;
  }
  void start_again() { step_ = 0; }
  void clear() { bar_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  ProgressBar bar_;
  double steps_, step_ = 0;
  Clock::time_point worth_a_bar_ = Clock::now() + std::chrono::milliseconds(500);
};

template <typename Report>
void show(const BenchArguments& a, const Report& report) {
  if (shows_table(a.model.common)) print(std::cout, report);
  write_json(a.model.common, to_json(report));
}

void compare_engines(const BenchArguments& a, const BenchProblem& problem, const BenchInput& input,
                     const std::vector<std::string>& engines) {
  BenchReport report{problem, input.active_fraction, a.repeats, {}, {}};
  if (problem.device.is_cpu()) report.rates = measure_rates(problem);
  BenchProgress progress(a, engines.size());
  report.engines = time_steps(problem, input, engines, a.repeats,
                              [&](const std::string& engine) { progress.step(engine, 0, 1); });
  progress.clear();
  show(a, report);
}

// Points whose problem cannot be, or has no room, are told and left out.
std::vector<ScalingPoint> possible_points(const BenchArguments& a, const BenchProblem& base,
                                          const std::string& engine) {
  std::vector<ScalingPoint> possible;
  for (auto& point : scaling_points(base)) {
    try {
      point.problem.model.validate();
      require_memory_for(point.problem, {engine});
      possible.push_back(std::move(point));
    } catch (const std::exception& error) {
      say(a.model.common, "msae: " + point.varied + " " + point.value + " is left out: " + error.what());
    }
  }
  return possible;
}

void scale(const BenchArguments& a, const BenchProblem& base, BenchInput input, const std::string& engine) {
  const auto points = possible_points(a, base, engine);
  ScalingReport report{a.repeats, {}};
  BenchProgress progress(a, 1);
  const double part = 1 / static_cast<double>(points.size());
  for (const auto& point : points) {
    const double done = part * static_cast<double>(report.points.size());
    const auto text = engine + ", " + point.varied + (point.value.empty() ? "" : " ") + point.value;
    if (!report.points.empty()) {
      input = {};  // before the next one takes its memory
      input = draw(point.problem);
    }
    progress.start_again();
    auto times = time_steps(point.problem, input, {engine}, a.repeats,
                            [&](const std::string&) { progress.step(text, done, part); });
    report.points.push_back({point, input.active_fraction, std::move(times.front())});
  }
  progress.clear();
  show(a, report);
}

void propose(const BenchArguments& a, const BenchProblem& problem) {
  constexpr std::size_t measurements = 5;  // of three libraries, and two ways
  BenchProgress progress(a, measurements);
  const auto report =
      tune(problem, a.repeats, [&](const std::string& engine) { progress.step(engine, 0, 1); });
  progress.clear();
  show(a, report);
}

void run(const BenchArguments& a) {
  apply(a.model.common);
  check_values(a);
  check_files(a);
  const auto problem = problem_of(a);
  if (a.tune && !problem.device.is_cpu()) {
    throw std::invalid_argument("--tune: is for the fused engine of the CPU, not for " +
                                problem.device.str());
  }
  require_memory_for(problem, engines_of(a));
  watch_interrupts();
  if (a.tune) return propose(a, problem);
  auto input = draw(problem);
  const auto engines = engines_for(a, problem, *input.model);
  if (!a.problem.empty()) save_problem(input, a.problem);
  if (a.scaling) {
    scale(a, problem, std::move(input), engines.front());
  } else {
    compare_engines(a, problem, input, engines);
  }
}

void add_bench_model(CLI::App& command, BenchArguments& arguments) {
  auto& a = arguments.model;
  command.add_option("--model", a.model, "What decides which latents are active")
      ->type_name("NAME")
      ->check(CLI::IsMember({"relu", "topk", "batch-topk", "matryoshka", "jump-relu", "prefix-matryoshka"}))
      ->capture_default_str();
  add_whole(command, "--rows", arguments.rows, "Rows of a step")->capture_default_str();
  add_whole(command, "--dim", arguments.dim, "Length of an embedding")->capture_default_str();
  auto* latents = add_whole(command, "--latents", a.latents, "Size of the dictionary [8 x dimension]");
  add_whole(command, "--expansion", a.expansion, "Size of the dictionary in multiples of the dimension [8]")
      ->excludes(latents);
  add_whole(command, "--k", a.k, "topk, batch-topk, prefix-matryoshka: latents kept per row [64]");
  command
      .add_option("--levels", a.levels,
                  "matryoshka: latents kept per level; auto: 64,128,... and all, as published;\n"
                  "prefix-matryoshka: sizes of the nested dictionaries; auto: 1/8, 1/4, 1/2, all")
      ->type_name("auto|K,K,...")
      ->capture_default_str();
  command.add_option("--weights", a.weights, "matryoshka, prefix-matryoshka: weight of each level's loss")
      ->type_name("uniform|reverse|W,W,...")
      ->capture_default_str();
  add_real(command, "--active", arguments.active,
           "Share of the pre-activations, from 0 to 1, that latent biases make positive, e.g. 0.2 as in\n"
           "trained models [as initialised, about half]");
}

}  // namespace

void add_bench(CLI::App& program) {
  auto& command = *program.add_subcommand("bench", "Time the stages of a training step on this machine");
  auto arguments = std::make_shared<BenchArguments>();
  auto& a = *arguments;
  add_bench_model(command, a);
  command
      .add_option("--engine", a.engines,
                  "What computes the steps, one or several to compare: fused, autograd [those that take\n"
                  "the model]")
      ->type_name("NAME")
      ->delimiter(',')
      ->check(CLI::IsMember({"fused", "autograd"}));
  add_whole(command, "--repeats", a.repeats, "Steps of each engine that count, after two that do not")
      ->capture_default_str();
  auto* scaling =
      command.add_flag("--scaling", a.scaling,
                       "Time the first engine alone, on other numbers of rows, dimensions, latents, levels,\n"
                       "active latents and threads, one at a time");
  command
      .add_flag("--tune", a.tune,
                "Propose the library of dense products, and from which shares of active latents stages\n"
                "should be dense products, for the fused engine on this machine")
      ->excludes(scaling);
  add_fused_options(command, a.model, "Fused engine");
  command
      .add_option("--problem", a.problem,
                  "Write encoder, decoder, latent_bias, pre_bias and batch as safetensors, so that other\n"
                  "programs can time the same step")
      ->type_name("FILE");
  command.add_flag("--force", a.force, "Replace an existing --problem file");
  add_seed(command, a.model.common, "the initial dictionary and the rows");
  a.model.common.device = "cpu";  // what a number is of should not depend on what else is in the machine
  add_device(command, a.model.common);
  add_common(command, a.model.common);
  command.footer(
      "Times are medians. The floor of a stage is what its arithmetic takes at the rate of dense products, "
      "or "
      "its memory\n"
      "traffic at the rate of copies, whichever is longer; both rates are measured at the start. A step's "
      "floor is "
      "the sum.\n"
      "Stages of a GPU have no floors.\n"
      "Examples:\n"
      "  msae bench --active 0.2\n"
      "  msae bench --model topk --k 64 --engine fused --scaling --json scaling.json");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
