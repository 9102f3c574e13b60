#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/evaluate_runs.h"
#include "msae/data/synthetic.h"

namespace msae::cli {
namespace {

struct EvalArguments : EvaluationArguments {
  std::string truth;
};

std::vector<eval::Recovery> recovery(const models::SparseAutoencoder& model,
                                     const data::SyntheticTruth& truth) {
  const auto dictionary = torch::tensor(truth.dictionary).reshape({truth.concepts(), truth.dim});
  return eval::concept_recovery(model.decoder, dictionary, truth.depth);
}

void run(EvalArguments& a) {
  const auto data = prepare_to_evaluate(a);
  data::SyntheticTruth truth;
  if (!a.truth.empty()) truth = data::read_truth(a.truth);
  const auto check = [&](const models::SparseAutoencoder& model) {
    if (a.truth.empty() || truth.dim == model.dim()) return;
    throw std::invalid_argument("truth: " + a.truth + " has dimension " + std::to_string(truth.dim) +
                                " but the model's is " + std::to_string(model.dim()));
  };
  auto results = nlohmann::ordered_json::array();
  evaluate_runs(a, data, check, [&](RunReport report, const models::SparseAutoencoder& model) {
    if (!a.truth.empty()) report.recovery = recovery(model, truth);
    if (shows_table(a.common)) {
      if (!results.empty()) std::cout << "\n";
      print(std::cout, report);
    }
    results.push_back(to_json(report));
    add_skipped(results.back(), a.read, data);
  });
  write_json(a.common, results);
}

}  // namespace

void add_eval(CLI::App& program) {
  auto& command = *program.add_subcommand("eval", "Measure sparsity and reconstruction of models");
  auto arguments = std::make_shared<EvalArguments>();
  add_runs(command, *arguments);
  command
      .add_option("--truth", arguments->truth,
                  "A file of 'msae synth': report how many of its true concepts were found")
      ->type_name("FILE");
  command.add_flag("--activity", arguments->options.activity,
                   "Show how often latents are active, and how strongly [not shown]");
  add_ways_to_evaluate(command, *arguments);
  command.footer(about_figures() +
                 "Examples:\n"
                 "  msae eval run --data clip.h5:/test\n"
                 "  msae eval run other --data clip.h5:/test --k 8,32,128 --json points.json\n"
                 "  msae eval run --data clip.h5:/test --activity --cknna 2000\n"
                 "  msae eval run --data clip.h5:/test --codes pursuit --candidates 512");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
