/// \file
/// How far two dictionaries hold the same directions.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// What align() found. Cosines are of unit rows; a zero row has cosine 0 to every other.
struct Alignment {
  std::vector<std::int64_t> match;  ///< [rows of a], the row of b that goes with each; -1: none is left
  std::vector<double> cosine;       ///< [rows of a], to that row; NaN where there is none
  double matched = 0;               ///< mean cosine of the pairs
  double above_09 = 0;              ///< share of the pairs whose cosine is above 0.9
  double above_07 = 0;              ///< share of the pairs whose cosine is above 0.7
  double nearest_to_a = 0;          ///< mean over the rows of a of the best cosine to any row of b
  double nearest_to_b = 0;          ///< mean over the rows of b of the best cosine to any row of a
};

/// Pairs the rows of two dictionaries one to one so that the sum of cosines is largest (the Hungarian
/// matching of the published implementation of Zaigrajew et al., arXiv 2502.20578, which takes encoder
/// columns by default: pass encoder rows as this library stores them, or decoder rows). All rows of the
/// smaller dictionary are paired. Memory: rows of a x rows of b float64; cost: that times the smaller number
/// of rows at worst, usually far less.
/// \param a [rows of a, dim], floating-point
/// \param b [rows of b, dim], floating-point
/// \return the pairs, and how close they are
/// \throws c10::Error when the shapes do not fit, a dictionary has no rows, or one holds NaN or Inf
/// \throws msae::Error when the cosines do not fit into memory
MSAE_EXPORT Alignment align(const torch::Tensor& a, const torch::Tensor& b);

}  // namespace msae::eval
