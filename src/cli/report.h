// Evaluations for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "msae/eval/evaluator.h"
#include "msae/eval/recovery.h"

namespace msae::cli {

struct RunReport {
  std::string run;
  eval::Evaluation evaluation;
  std::vector<eval::Recovery> recovery = {};  ///< empty unless the truth is known
};

void print(std::ostream& out, const RunReport& report);
nlohmann::ordered_json to_json(const RunReport& report);

/// eval::evaluate with a progress bar.
eval::Evaluation evaluate_with_bar(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                   const eval::EvalOptions& options, const Common& common);

}  // namespace msae::cli
