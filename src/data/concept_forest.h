/// \file
/// The concepts behind synthetic embeddings: a forest, how often each is active, and the direction of each.
#pragma once

#include <cstdint>
#include <vector>

#include "msae/data/synthetic.h"

namespace msae::data {

struct ConceptForest {
  SyntheticTruth truth;
  std::vector<double> conditional;     ///< [concepts], probability of being active while the parent is
  std::vector<std::int32_t> after;     ///< [concepts], the first concept that is not below this one
  std::vector<double> mean_direction;  ///< [dim], unit norm, orthogonal to every concept
};

/// Concepts are in pre-order: each is followed by all that is below it, and the last tree may be cut short
/// anywhere. \throws std::invalid_argument when `active` cannot be reached
ConceptForest grow_forest(const SyntheticOptions& options);

}  // namespace msae::data
