/// \file
/// What a model needs to know of its training data: the mean and the spread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

/// What statistics() found.
struct Statistics {
  std::int64_t rows = 0;              ///< that were read
  std::vector<double> mean;           ///< [dim]
  double mean_squared_deviation = 0;  ///< mean over rows of ||x - mean||^2
};

/// One pass over the source in blocks, sums in float64 (about the first row, so that a large common mean
/// costs no digits). The result does not depend on the blocks.
/// \param source   rows to take the statistics of
/// \param progress called with the share of rows read; may throw to stop
/// \throws std::invalid_argument when there are no rows
/// \throws msae::IoError as EmbeddingSource::read
MSAE_EXPORT Statistics statistics(EmbeddingSource& source, const std::function<void(double)>& progress = {});

}  // namespace msae::data
