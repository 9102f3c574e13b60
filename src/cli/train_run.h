// One training run, from a plan and open data to its result: what `msae train` does once and a sweep often.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/progress_bar.h"
#include "cli/train_arguments.h"

namespace msae::cli {

/// The plan, without the remarks of plan(): to find options that cannot be before the work is begun.
TrainPlan plan_quietly(TrainArguments arguments, const data::EmbeddingSource& rows);

/// What --eval or --holdout leave to evaluate on, read as the training data is; null where there is nothing.
/// \throws msae::IoError when its dimension is another one
std::shared_ptr<data::EmbeddingSource> open_evaluation_data(const TrainArguments& arguments,
                                                            const data::Prepared& training);

struct TrainedRun {
  std::shared_ptr<models::SparseAutoencoder> model;
  train::TrainResult result;
};

/// Trains until the end, or until interrupted().
/// \param show      draws the bar after each logged step
/// \param kept_rows where a GPU's rows stay for the next run; null: they go with this one
/// \throws as train::Trainer::fit()
TrainedRun train_as_planned(const TrainPlan& plan, data::EmbeddingSource& rows, const Common& common,
                            const std::function<void(ProgressBar&, const train::Progress&)>& show,
                            std::shared_ptr<train::KeptRows> kept_rows = {});

/// Of the run's steps, from 0 to 1.
double share_done(const train::Progress& progress);
/// Loss, FVU, active and dead latents and speed.
std::string progress_text(const train::Progress& progress);
/// "trained, 330 steps in 20 s (60 ms a step)", or that it was finished before.
std::string outcome_text(const train::TrainResult& result);
nlohmann::ordered_json to_json(const TrainArguments& arguments, const train::TrainResult& result);

}  // namespace msae::cli
