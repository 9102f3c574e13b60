/// \file
/// What each level adds to a reconstruction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "msae/core/export.h"
#include "msae/eval/evaluator.h"

namespace msae::eval {

/// How far a level, or a number of latents kept, has come.
struct ProgressiveStep {
  std::string label = {};              ///< of the point: "level 1", "k=32", ...
  std::optional<std::int64_t> k = {};  ///< latents kept at most, where the point has such a bound
  double fvu = 0;                      ///< see Point::fvu
  double cosine = 0;                   ///< see Point::cosine
  /// (FVU of no latents - fvu) / (FVU of no latents - FVU of all): 0 with no latents, 1 where all of the gain
  /// is reached, above 1 where this is better than all latents together. NaN where those gain nothing.
  double gain = 0;
  std::string codes = "encoder";  ///< see Point::codes; those of all latents may be others
};

/// Progressive recovery (after Zaigrajew et al., arXiv 2502.20578): the levels of a matryoshka model and the
/// points of EvalOptions::k by k ascending, a level before others of its k, which are left out. Levels
/// without a k, by thresholds or prefixes, come first.
/// \param evaluation as evaluate() gives it
/// \return empty for a model without levels and an evaluation without k
MSAE_EXPORT std::vector<ProgressiveStep> progressive_recovery(const Evaluation& evaluation);

}  // namespace msae::eval
