/// \file
/// A centre of a data set that outliers do not move.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"

namespace msae::data {

/// When geometric_median() stops. The defaults are the published ones.
struct MSAE_EXPORT GeometricMedianOptions {
  /// Distance, in the unit of the rows, that the last step may have; rows nearer to the centre than this
  /// weigh as much as rows that far away.
  double tolerance = 1e-5;
  std::int64_t iterations = 1000;  ///< steps at most

  /// Checks every field.
  /// \throws std::invalid_argument when tolerance is not a positive number or iterations is below 1
  void validate() const;
};

/// The point whose sum of distances to all rows is least, by Weiszfeld's steps from the mean: the rows' mean,
/// weighted by 1 / max(distance, tolerance), until a step is no longer than the tolerance. Where that stops
/// at a row which is not the median it goes on as Vardi and Zhang (PNAS 97, 2000) do. A start for a model's
/// pre_bias. Sums are float64, in the order of the rows: the result does not depend on blocks or threads. A
/// step is one pass over the rows; some ten are usual.
/// \param rows     to take the median of
/// \param options  when to stop
/// \param progress called with the share of all passes that may be needed, and with 1 at the end; may throw
///                 to stop
/// \return [dim]
/// \throws std::invalid_argument when there are no rows, or an option is impossible
/// \throws msae::IoError as EmbeddingSource::read
MSAE_EXPORT std::vector<double> geometric_median(EmbeddingSource& rows,
                                                 const GeometricMedianOptions& options = {},
                                                 const std::function<void(double)>& progress = {});

}  // namespace msae::data
