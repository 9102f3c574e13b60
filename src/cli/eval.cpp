#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/numbers.h"
#include "cli/report.h"
#include "msae/core/device.h"
#include "msae/data/synthetic.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct Arguments {
  Common common;
  std::vector<std::string> runs;
  std::string data;
  std::string k;
  std::string truth;
  data::ReadOptions read;
  eval::EvalOptions options;
};

void check(const models::SparseAutoencoder& model, const data::EmbeddingSource& data,
           const data::SyntheticTruth& truth, const Arguments& a) {
  eval::check(model, data, a.options);
  if (a.truth.empty() || truth.dim == model.dim()) return;
  throw std::invalid_argument("truth: " + a.truth + " has dimension " + std::to_string(truth.dim) +
                              " but the model's is " + std::to_string(model.dim()));
}

std::vector<eval::Recovery> recovery(const models::SparseAutoencoder& model,
                                     const data::SyntheticTruth& truth) {
  const auto dictionary = torch::tensor(truth.dictionary).reshape({truth.concepts(), truth.dim});
  return eval::concept_recovery(model.decoder, dictionary, truth.depth);
}

void run(Arguments& arguments) {
  const auto& common = arguments.common;
  apply(common);
  if (!arguments.k.empty()) arguments.options.k = parse_integers(arguments.k, "--k");
  arguments.options.validate();
  const auto device = resolve_device(common.device);
  watch_interrupts();
  const auto data = open_data(arguments.data, arguments.read, common);
  data::SyntheticTruth truth;
  if (!arguments.truth.empty()) truth = data::read_truth(arguments.truth);

  // All of them before the first is worked on, whose result would be lost.
  for (const auto& folder : arguments.runs) {
    check(*io::load(folder, device), *data.evaluated(), truth, arguments);
  }
  auto results = nlohmann::ordered_json::array();
  for (const auto& folder : arguments.runs) {
    const auto model = io::load(folder, device);
    say_how_rows_were_read(folder, arguments.data, arguments.read, common, true);
    RunReport report{folder, evaluate_with_bar(*model, *data.evaluated(), arguments.options, common)};
    if (!arguments.truth.empty()) report.recovery = recovery(*model, truth);
    if (shows_table(common)) {
      if (!results.empty()) std::cout << "\n";
      print(std::cout, report);
    }
    results.push_back(to_json(report));
    add_skipped(results.back(), arguments.read, data);
  }
  write_json(common, results);
}

}  // namespace

void add_eval(CLI::App& program) {
  auto& command = *program.add_subcommand("eval", "Measure sparsity and reconstruction of models");
  auto arguments = std::make_shared<Arguments>();
  auto& a = *arguments;
  command.add_option("RUN", a.runs, "Folders of trained models, or published .pth files")
      ->type_name("FOLDER")
      ->required();
  command.add_option("--data", a.data, "Embeddings to evaluate on (see 'msae --help')")
      ->type_name("DATA")
      ->required();
  command
      .add_option("--k", a.k, "Further operating points: keep the k largest positive latents, e.g. 8,16,32")
      ->type_name("K,K,...");
  command
      .add_option("--truth", a.truth,
                  "A file of 'msae synth': report how many of its true concepts were found")
      ->type_name("FILE");
  command.add_flag("--centred", a.options.centred,
                   "Take cosine, NMAE and FVU/row after subtracting the model's mean\n"
                   "[of the original rows]");
  add_whole(command, "--batch-size", a.options.batch_size,
            "Rows at a time: a matter of memory, not of results")
      ->capture_default_str();
  add_row_options(command, a.read);
  add_holdout(command, a.read, "Evaluate on the share of the rows that 'train --holdout' held out, e.g. 0.1");
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "Points: 'trained' is what the model was trained for (relu: all positives, topk: its k, batch-topk: "
      "its threshold,\n"
      "matryoshka: its first level), 'all' keeps every positive latent.\n"
      "active: mean latents above zero per row; sparsity: share of zeros; FVU: sum of squared residuals over "
      "the sum of\n"
      "squared deviations from the data's mean; FVU/row: the published variant, a mean of per-row ratios; "
      "dead: share of\n"
      "latents that no row activates. k is the most latents that a row keeps: fewer where fewer are "
      "positive.\n"
      "Examples:\n"
      "  msae eval run --data clip.h5:/test\n"
      "  msae eval run other --data clip.h5:/test --k 8,32,128 --json points.json");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
