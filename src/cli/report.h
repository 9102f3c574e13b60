// Evaluations for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "msae/eval/evaluator.h"
#include "msae/eval/metrics.h"

namespace msae::cli {

struct RunReport {
  std::string run;
  eval::Evaluation evaluation;
  std::vector<eval::Recovery> recovery = {};  ///< empty unless the truth is known
  std::vector<bool> dominated = {};           ///< of each point; empty unless runs are compared
};

/// "level 1 (k=8)"
std::string point_name(const eval::Point& point);

/// What tables have of a point: names of the columns, and their cells.
/// \param like       the first point of the table, which has what all of them have
/// \param with_codes whether to say whose codes they are
std::vector<std::string> point_header(const eval::Point& like, bool with_codes);
std::vector<std::string> point_cells(const eval::Point& point, const eval::Point& like, bool with_codes);
/// Whether any of its codes are not the encoder's.
bool has_other_codes(const eval::Evaluation& evaluation);

void print(std::ostream& out, const RunReport& report);
nlohmann::ordered_json to_json(const RunReport& report);
nlohmann::ordered_json to_json(const eval::Point& point);

/// eval::evaluate with a progress bar.
eval::Evaluation evaluate_with_bar(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                   const eval::EvalOptions& options, const Common& common);

}  // namespace msae::cli
