// What subcommands that evaluate runs share: their options, and one loop over the runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/point_options.h"
#include "cli/report.h"
#include "msae/data/views.h"

namespace msae::cli {

struct EvaluationArguments {
  Common common;
  std::vector<std::string> runs;
  std::string data;
  std::string k;
  bool usual_k = false;  ///< where --k is not given, take 8, 16, ..., 512 below each model's latents
  CodingArguments coding;
  bool several_codes = false;  ///< whether --codes is a list, each of which makes a report of every run
  data::ReadOptions read;
  eval::EvalOptions options;
};

/// RUN and --data, then how to evaluate. Between them a subcommand may add options of its own.
void add_runs(CLI::App& command, EvaluationArguments& arguments);
/// --codes, --centred, --batch-size, how rows are read, and the common ones.
void add_ways_to_evaluate(CLI::App& command, EvaluationArguments& arguments);

/// 8, 16, ..., 512, those below the model's latents that a pursuit has candidates for.
std::vector<std::int64_t> usual_ks(const models::SparseAutoencoder& model, const models::Coding& coding);

/// What the figures of a point are, for the help.
std::string about_figures();

/// Checks the options and opens the data.
data::Prepared prepare_to_evaluate(EvaluationArguments& arguments);

/// Evaluates run after run on data.evaluated(), once all have been checked: nothing is worked on whose result
/// would be lost to a later run.
/// \param also_check of each model; may be empty
/// \param done       called with each report and its model, for every run and each of --codes
void evaluate_runs(const EvaluationArguments& arguments, const data::Prepared& data,
                   const std::function<void(const models::SparseAutoencoder&)>& also_check,
                   const std::function<void(RunReport, const models::SparseAutoencoder&)>& done);
std::vector<RunReport> evaluate_runs(const EvaluationArguments& arguments, const data::Prepared& data);

}  // namespace msae::cli
