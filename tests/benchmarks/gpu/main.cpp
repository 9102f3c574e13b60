// What the CUDA step takes on the GPU at hand, beside what that GPU can do at best.
//
// Build, on a machine with the CUDA toolkit, with or without a GPU:
//
//     ./tests/run.sh --cuda      # once, as it fetches what a build with CUDA needs
//     cmake -S . -B build/cuda -G Ninja -DMSAE_WITH_CUDA=ON && ninja -C build/cuda gpu_benchmark
//
// To run it on another machine with the same PyTorch, copy the program and those of the libraries it names
// that PyTorch does not bring (ldd build/cuda/tests/gpu_benchmark: HDF5, spdlog, fmt), and have
// LD_LIBRARY_PATH name their folder, torch/lib, and the lib folders of the nvidia packages beside torch.
//
// Run it, here and below as `gpu_benchmark`, for the sizes of interest, for which levels should be matrices,
// for a training run as on CC3M, and beside PyTorch:
//
//     gpu_benchmark --sizes paper --precision bf16,tf32 --json steps.json
//
//     gpu_benchmark --active 0.2 --sweep-dense
//
//     gpu_benchmark --sizes none --train 2900000
//
//     python3 tests/benchmarks/gpu/published_on_gpu.py CHECKOUT --ours gpu_benchmark
//
// It measures the ceilings of the GPU, holds the step against autograd (and ends with 1 and a sentence if it
// is off), and then times each size: every stage with the work that stage_work.h counts and its floor, the
// whole step launch by launch and as a graph, and the engine's own step with the copy of its batch. A stage's
// floor is its traffic at the bandwidth measured, or its arithmetic at the rates measured, whichever is
// longer; a step's floor is the sum. Events between stages take one or two microseconds each, which the graph
// does not have.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "benchmarks/gpu/check.h"
#include "benchmarks/gpu/device.h"
#include "benchmarks/gpu/report.h"
#include "msae/core/device.h"
#include "msae/core/error.h"

namespace msae::gpu_benchmark {
namespace {

struct Arguments {
  std::string sizes = "one";
  ProblemSize size;
  std::string levels = "auto";
  std::vector<std::string> precisions = {"bf16"};
  std::optional<double> dense_level;
  Repeats repeats;
  int batches = 8;
  bool checks = true, sweep = false;
  std::int64_t train_rows = 0, epochs = 30;
  std::string json;
};

train::Precision precision_named(const std::string& name) {
  static const std::map<std::string, train::Precision> all = {{"float32", train::Precision::full},
                                                              {"tf32", train::Precision::tf32},
                                                              {"bf16", train::Precision::bfloat16}};
  return all.at(name);
}

std::vector<std::int64_t> levels_of(const std::string& text) {
  std::vector<std::int64_t> levels;
  if (text == "auto") return levels;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    std::int64_t level = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), level);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw std::invalid_argument("--levels: not a number: " + word);
    }
    levels.push_back(level);
  }
  return levels;
}

std::vector<ProblemSize> sizes_of(const Arguments& a) {
  if (a.sizes == "none") return {};
  if (a.sizes == "paper") return paper_sizes();
  auto size = a.size;
  size.levels = levels_of(a.levels);
  return {size};
}

SizeReport measure(const Arguments& a, const ProblemSize& size, const std::string& precision,
                   const Ceilings& ceilings) {
  c10::cuda::CUDACachingAllocator::emptyCache();
  SizeReport report{.problem = problem_of(size, precision_named(precision), a.dense_level)};
  auto input = draw(report.problem, a.batches);
  report.active_fraction = input.active_fraction;
  report.rates = rates_of(ceilings, report.problem.train.fused.precision);
  report.step = time_step(report.problem, input, a.repeats);
  if (a.sweep) report.sweep = sweep_dense(report.problem, input, a.repeats);
  report.engine = time_engine(report.problem, input, a.repeats);
  return report;
}

// As it goes, so that what was found is there whatever comes next.
void write(const Arguments& a, const nlohmann::ordered_json& json) {
  if (a.json.empty()) return;
  std::ofstream file(a.json);
  file << json.dump(1) << "\n";
  if (!file.flush()) throw IoError(a.json + ": cannot be written");
}

void run(const Arguments& a) {
  resolve_device("cuda");  // says so where there is none
  // The default stream cannot be recorded.
  const c10::cuda::CUDAStreamGuard stream(c10::cuda::getStreamFromPool());
  const auto ceilings = measure_ceilings();
  print(std::cout, ceilings);
  nlohmann::ordered_json json = {{"ceilings", to_json(ceilings)}};
  write(a, json);
  if (a.checks) {
    check_step();
    std::cout << "the step is what autograd has, in float32, TF32 and bf16, and the same twice" << std::endl;
  }
  for (const auto& size : sizes_of(a)) {
    for (const auto& precision : a.precisions) {
      const auto report = measure(a, size, precision, ceilings);
      print(std::cout, report);
      std::cout.flush();
      json["sizes"].push_back(to_json(report));
      write(a, json);
    }
  }
  if (a.train_rows == 0) return;
  for (const auto& precision : a.precisions) {
    c10::cuda::CUDACachingAllocator::emptyCache();
    const auto times = time_training(a.train_rows, a.size.dim, a.epochs, precision_named(precision));
    print(std::cout, times);
    json["training"].push_back(to_json(times));
    write(a, json);
  }
}

void add_options(CLI::App& app, Arguments& a) {
  app.add_option("--sizes", a.sizes,
                 "one: that of the options below; paper: those of interest, in turn; none")
      ->check(CLI::IsMember({"one", "paper", "none"}))
      ->capture_default_str();
  const auto positive = [&](const char* name, auto& value, const char* text) {
    app.add_option(name, value, text)->check(CLI::PositiveNumber)->capture_default_str();
  };
  positive("--rows", a.size.rows, "Rows of a step");
  positive("--dim", a.size.dim, "Length of an embedding");
  positive("--latents", a.size.latents, "Size of the dictionary");
  app.add_option("--levels", a.levels, "Latents kept per level; auto: 64, doubled, and all")
      ->capture_default_str();
  app.add_option("--k", a.size.k, "A TopK in the place of levels")->check(CLI::PositiveNumber);
  a.size.active = 0.2;
  app.add_option("--active", a.size.active, "Share of the pre-activations that are positive [0.2]")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--precision", a.precisions, "float32, tf32, bf16, one or several [bf16]")
      ->delimiter(',')
      ->check(CLI::IsMember({"float32", "tf32", "bf16"}));
  app.add_option("--dense-level", a.dense_level,
                 "Share of all latents from which a level is a matrix [the default of training]");
  positive("--repeat", a.repeats.stages, "Steps that are timed stage by stage");
  positive("--steps", a.repeats.steps, "Steps that are timed whole");
  positive("--batches", a.batches, "Batches that take turns");
  app.add_flag("--sweep-dense", a.sweep, "Time the step in every way that some --dense-level leads to");
  app.add_flag("!--no-check", a.checks, "Do not hold the step against autograd first");
  app.add_option("--train", a.train_rows, "Train on so many rows of --dim, made for the purpose")
      ->check(CLI::PositiveNumber);
  positive("--epochs", a.epochs, "Of --train");
  app.add_option("--json", a.json, "Write what was found as JSON");
}

}  // namespace
}  // namespace msae::gpu_benchmark

int main(int argc, char** argv) {
  using namespace msae::gpu_benchmark;
  Arguments arguments;
  CLI::App app("What the CUDA step takes on the GPU at hand, beside what that GPU can do at best");
  add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "gpu_benchmark: " << error.what() << "\n";
    return 1;
  }
}
