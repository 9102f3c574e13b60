#include "cli/train_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/data_options.h"
#include "cli/device_parts.h"
#include "cli/table.h"
#include "msae/core/device.h"
#include "msae/core/error.h"

namespace msae::cli {

TrainPlan plan_quietly(TrainArguments a, const data::EmbeddingSource& rows) {
  a.common.quiet = true;
  return plan(std::move(a), rows);
}

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

TrainedRun train_as_planned(const TrainPlan& plan, data::EmbeddingSource& rows, const Common& common,
                            const std::function<void(ProgressBar&, const train::Progress&)>& show,
                            std::shared_ptr<train::KeptRows> kept_rows) {
  const auto model = std::make_shared<models::SparseAutoencoder>(plan.model);
  model->to(resolve_device(common.device));
  auto parts = parts_for(*model);
  parts.kept_rows = std::move(kept_rows);
  train::Trainer trainer(*model, plan.train, std::move(parts));
  ProgressBar bar(!common.quiet);
  trainer.on_progress([&](const train::Progress& progress) { show(bar, progress); });
  trainer.on_reading(reading(bar, rows.name()));
  trainer.stop_when(&interrupted());
  return {model, trainer.fit(rows, plan.run)};
}

double share_done(const train::Progress& p) {
  return static_cast<double>(p.step) / static_cast<double>(p.steps);
}

std::string progress_text(const train::Progress& p) {
  return "loss " + fixed(p.metrics.loss, 4) + "  FVU " + fixed(p.metrics.fvu, 4) + "  active " +
         fixed(p.metrics.active, 1) + "  " + std::to_string(p.metrics.dead) + " dead  " +
         fixed(p.rows_per_second, 0) + " rows/s";
}

std::string outcome_text(const train::TrainResult& result) {
  const auto steps = std::to_string(result.steps) + " steps in " + duration(result.seconds);
  if (!result.last) return "was finished before, " + steps;
  const auto waited = result.waiting_seconds / std::max(result.seconds, 1e-9);
  const auto waiting = waited < 0.02 ? "" : ", waited for rows for " + fixed(100 * waited, 0) + " % of it";
  return "trained, " + steps + " (" + fixed(result.step_milliseconds, 0) + " ms a step)" + waiting;
}

nlohmann::ordered_json to_json(const TrainArguments& a, const train::TrainResult& result) {
  nlohmann::ordered_json json = {{"run", a.out},
                                 {"finished", result.finished},
                                 {"steps", result.steps},
                                 {"seconds", result.seconds},
                                 {"step_ms", result.step_milliseconds},
                                 {"first_rows_seconds", result.first_rows_seconds},
                                 {"waiting_seconds", result.waiting_seconds}};
  if (result.last) {
    json.update({{"loss", result.last->loss},
                 {"fvu", result.last->fvu},
                 {"active", result.last->active},
                 {"dead", result.last->dead}});
  }
  return json;
}

}  // namespace msae::cli
