// How often latents are active, and how strongly, for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

#include "msae/eval/evaluator.h"

namespace msae::cli {

/// \param evaluation with the activity of each point
void print_activity(std::ostream& out, const eval::Evaluation& evaluation);
nlohmann::ordered_json to_json(const eval::Activity& activity);

}  // namespace msae::cli
