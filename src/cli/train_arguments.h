// The options of `msae train`, from what was typed to what the library is told.
#pragma once

#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "cli/command.h"
#include "msae/data/views.h"
#include "msae/train/trainer.h"

namespace msae::cli {

struct TrainArguments {
  Common common;
  std::string data, out, eval;
  data::ReadOptions read;
  std::string preset = "default";
  std::string model = "matryoshka";
  std::string engine = "auto";
  bool resume = false;
  std::string save_every = "300";
  std::int64_t log_every = 0;
  std::string levels = "auto";
  std::string weights = "uniform";
  std::optional<std::int64_t> k, latents, expansion, epochs, steps, batch_size;
  std::optional<double> learning_rate, warmup, decay, l1, clip, weight_decay;
  std::optional<std::string> schedule, loss;
  std::set<std::string> from_file;  ///< options that --config or the run's own file gave, without dashes
};

/// What a run is told, every default and preset filled in.
struct TrainPlan {
  models::SparseAutoencoderOptions model;
  train::TrainOptions train;
  train::RunOptions run;
};

void add_train_options(CLI::App& command, TrainArguments& arguments);

/// An option that has no say in the chosen model.
struct DoesNotApply : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// It is a mistake better told than ignored. \throws DoesNotApply naming the option
void refuse_what_does_not_apply(const TrainArguments& arguments);

/// \throws std::invalid_argument naming the option
TrainPlan plan(TrainArguments arguments, const data::EmbeddingSource& data);

/// The plan as options.toml: `msae train --config` of it repeats the run.
std::string options_toml(const TrainArguments& arguments, const TrainPlan& plan);

}  // namespace msae::cli
