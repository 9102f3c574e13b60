#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/data_options.h"
#include "cli/options_file.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/train_arguments.h"
#include "cli/train_run.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "train/run_folder.h"

namespace msae::cli {
namespace {

void run(const TrainArguments& a) {
  apply(a.common, a.out);
  resolve_device(a.common.device);
  watch_interrupts();
  train::RunFolder::check({.folder = a.out, .resume = a.resume});
  if (a.read.skip_bad_rows) plan_quietly(a, *data::open(a.data));  // before all rows are looked at
  const auto data = open_data(a.data, a.read, a.common);
  const auto evaluation_data = open_evaluation_data(a, data);
  const auto trained = train_as_planned(
      plan(a, *data.rows), *data.rows, a.common, [](ProgressBar& bar, const train::Progress& p) {
        bar.update(share_done(p), progress_text(p) + "  " + duration(p.seconds_left) + " left");
      });
  const auto& result = trained.result;
  auto json = to_json(a, result);
  add_skipped(json, a.read, data);
  if (!result.finished) {
    write_json(a.common, json);
    throw Error("interrupted after step " + std::to_string(result.steps) + ", the model so far is saved in " +
                a.out + "; go on with: msae train --out " + a.out + " --resume");
  }
  say(a.common, a.out + ": " + outcome_text(result));
  if (evaluation_data) {
    const RunReport report{a.out, evaluate_with_bar(*trained.model, *evaluation_data, {}, a.common)};
    if (shows_table(a.common)) print(std::cout, report);
    json["evaluation"] = cli::to_json(report);
  }
  if (!evaluation_data) say(a.common, "See where it stands: msae eval " + a.out + " --data DATA");
  write_json(a.common, json);
}

}  // namespace

void add_train(CLI::App& program) {
  auto& command = *program.add_subcommand("train", "Train a sparse autoencoder on embeddings");
  auto arguments = std::make_shared<TrainArguments>();
  add_train_options(command, *arguments);
  command.footer(
      "RUN holds the model (cfg.json, sae_weights.safetensors), options.toml, metrics.csv and state/.\n"
      "Ctrl-C saves the model so far; 'msae train --out RUN --resume' goes on.\n"
      "Examples:\n"
      "  msae train clip.h5:/train --out run\n"
      "  msae train --config run/options.toml --out other --seed 7\n"
      "  msae train clip.h5:/train --out run --levels 16,64,256 --weights reverse --eval clip.h5:/test");
  command.callback([arguments, &command] {
    arguments->from_file = options_from_file(command);
    run(*arguments);
  });
}

}  // namespace msae::cli
