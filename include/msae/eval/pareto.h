/// \file
/// Which operating points of several runs are worth having: the frontier between sparsity and reconstruction,
/// and the area below it as one number.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// One operating point of one run.
struct ParetoPoint {
  std::string run;    ///< whose point it is
  std::string label;  ///< as Point::label
  double active = 0;  ///< mean latents > 0 per row, as Point::active
  double fvu = 0;     ///< fraction of variance unexplained, as Point::fvu
};

/// Splits points into those that are worth having and those that are not. A point is dominated when another
/// one has no more active latents and no larger FVU, and less of one of them. Of equal points neither
/// dominates the other. A point whose numbers are NaN, infinite or negative is none: it counts as dominated,
/// and dominates nothing.
class MSAE_EXPORT ParetoFrontier {
 public:
  /// Takes O(n log n) for n points.
  /// \param points in any order, of any number of runs; may be empty
  explicit ParetoFrontier(std::vector<ParetoPoint> points);

  /// All points, in the order in which they were given.
  const std::vector<ParetoPoint>& points() const { return points_; }

  /// \param index of one of the points()
  /// \return whether that point is dominated
  /// \throws std::out_of_range when there is no such point
  bool dominated(std::size_t index) const { return dominated_.at(index); }

  /// Indices of the points that are not dominated, by active ascending: FVU descends. Equal points stand side
  /// by side, in the order in which they were given.
  const std::vector<std::size_t>& frontier() const { return frontier_; }

 private:
  std::vector<ParetoPoint> points_;
  std::vector<bool> dominated_;
  std::vector<std::size_t> frontier_;
};

/// The area below what a set of points reaches, over 8 to 1024 active latents on a logarithmic scale: 1 where
/// everything is explained by 8 latents, 0 where nothing is by 1024.
///
/// With (x, y) = (log2(active), max(0, 1 - FVU)): points of x > 10 are dropped, x < 3 is moved to 3. The
/// front are the points, sorted by x, whose y exceeds every other y at a smaller or equal x. The curve f is 0
/// left of the first of them, linear between them and constant right of the last, and
///   hypervolume = 1/7 * integral of f(x) dx from 3 to 10.
/// The hypervolume indicator (Zitzler and Thiele, IEEE Trans. Evol. Comput. 3(4), 1999) with straight lines
/// in place of steps, as a model between two points can be had by another k. The price: one more point,
/// better than all to its left but below the line between its neighbours, makes the area smaller, so several
/// runs together may have less than one of them. Takes O(n log n).
/// \param points of one run or several; those that are NaN, infinite or negative do not count
/// \return from 0 to 1; 0 where there are no points
MSAE_EXPORT double hypervolume(const std::vector<ParetoPoint>& points);

}  // namespace msae::eval
