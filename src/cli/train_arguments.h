// The options of `msae train`, from what was typed to what the library is told.
#pragma once

#include <optional>
#include <set>
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
  std::string engine = "auto", products = "auto", precision = "full";
  bool resume = false;
  std::string save_every = "300";
  std::int64_t log_every = 0;
  std::string memory = "auto", shuffle_rows = "auto";
  std::string levels = "auto";
  std::string weights = "auto";
  std::string ranking = "positive";
  bool tied = false, normalise_rows = false, batch_levels = false;
  double soft_cap = 0;
  std::optional<double> threshold, bandwidth;
  std::optional<std::int64_t> k, latents, expansion, epochs, steps, batch_size;
  std::optional<double> learning_rate, warmup, decay, l1, l0, clip, beta1, beta2, weight_decay;
  std::optional<std::string> schedule, loss, unit_norm;
  std::optional<double> dense_decode, dense_decoder_gradient, dense_encoder_gradient, dense_level;
  bool plain_l1 = false, median_bias = false;
  double auxk = 0;
  std::int64_t auxk_latents = 0, resample_every = 0;
  std::string by_default;           ///< options of a file that nobody chose, "lr,beta2"
  std::set<std::string> from_file;  ///< options that --config or the run's own file gave, without dashes
};

/// What a run is told, every default and preset filled in.
struct TrainPlan {
  models::SparseAutoencoderOptions model;
  train::TrainOptions train;
  train::RunOptions run;
};

void add_train_options(CLI::App& command, TrainArguments& arguments);

/// How the fused engine computes.
void add_fused_options(CLI::App& command, TrainArguments& arguments, const std::string& group);

/// The preset's, and what was typed, for a model. \throws std::invalid_argument naming the option
train::TrainOptions train_options(const TrainArguments& arguments,
                                  const models::SparseAutoencoderOptions& model);

/// \throws std::invalid_argument naming the option
TrainPlan plan(TrainArguments arguments, const data::EmbeddingSource& data);

/// The plan as options.toml: `msae train --config` of it repeats the run.
std::string options_toml(const TrainArguments& arguments, const TrainPlan& plan);

}  // namespace msae::cli
