#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/data_options.h"
#include "cli/options_file.h"
#include "cli/progress_bar.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/train_arguments.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"
#include "train/run_folder.h"

namespace msae::cli {
namespace {

std::string progress_text(const train::Progress& p) {
  return "loss " + fixed(p.metrics.loss, 4) + "  FVU " + fixed(p.metrics.fvu, 4) + "  active " +
         fixed(p.metrics.active, 1) + "  " + std::to_string(p.metrics.dead) + " dead  " +
         fixed(p.rows_per_second, 0) + " rows/s  " + duration(p.seconds_left) + " left";
}

// Read as the training data is; null where there is nothing to evaluate on.
std::shared_ptr<data::EmbeddingSource> open_evaluation_data(const TrainArguments& a,
                                                            const data::Prepared& training) {
  if (a.eval.empty()) return training.held_out;
  const auto dim = training.rows->dim();
  auto read = a.read;
  read.holdout = 0;
  auto source = open_data(a.eval, read, a.common).rows;
  if (source->dim() != dim) {
    throw IoError(source->name() + ": has dimension " + std::to_string(source->dim()) +
                  " but the training data has " + std::to_string(dim));
  }
  return source;
}

// Options that cannot be, before all rows are looked at.
void refuse_bad_options(TrainArguments a) {
  a.common.quiet = true;  // what is to be said is said of the rows that are left
  plan(a, *data::open(a.data));
}

nlohmann::ordered_json to_json(const TrainArguments& a, const train::TrainResult& result) {
  nlohmann::ordered_json json = {{"run", a.out},
                                 {"finished", result.finished},
                                 {"steps", result.steps},
                                 {"seconds", result.seconds},
                                 {"step_ms", result.step_milliseconds}};
  if (result.last) {
    json.update({{"loss", result.last->loss},
                 {"fvu", result.last->fvu},
                 {"active", result.last->active},
                 {"dead", result.last->dead}});
  }
  return json;
}

void run(const TrainArguments& a) {
  apply(a.common, a.out);
  const auto device = resolve_device(a.common.device);
  watch_interrupts();
  train::RunFolder::check({.folder = a.out, .resume = a.resume});
  if (a.read.skip_bad_rows) refuse_bad_options(a);
  const auto data = open_data(a.data, a.read, a.common);
  const auto evaluation_data = open_evaluation_data(a, data);
  const auto p = plan(a, *data.rows);

  models::SparseAutoencoder model(p.model);
  model.to(device);
  train::Trainer trainer(model, p.train);
  ProgressBar bar(!a.common.quiet);
  trainer.on_progress([&](const train::Progress& progress) {
    bar.update(static_cast<double>(progress.step) / static_cast<double>(progress.steps),
               progress_text(progress));
  });
  trainer.on_reading(reading(bar, data.rows->name()));
  trainer.stop_when(&interrupted());
  const auto result = trainer.fit(*data.rows, p.run);
  bar.clear();
  auto json = to_json(a, result);
  add_skipped(json, a.read, data);
  if (!result.finished) {
    write_json(a.common, json);
    throw Error("interrupted after step " + std::to_string(result.steps) + ", the model so far is saved in " +
                a.out + "; go on with: msae train --out " + a.out + " --resume");
  }
  const auto steps = std::to_string(result.steps) + " steps in " + duration(result.seconds);
  say(a.common,
      result.last ? a.out + ": trained, " + steps + " (" + fixed(result.step_milliseconds, 0) + " ms a step)"
                  : a.out + ": was finished before, " + steps);
  if (evaluation_data) {
    const RunReport report{a.out, evaluate_with_bar(model, *evaluation_data, {}, a.common)};
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
