/// \file
/// Who goes with whom.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace msae::eval {

/// The one-to-one assignment of every row to a column whose scores have the largest sum, by shortest
/// augmenting paths (Jonker and Volgenant, Computing 38, 1987). Always the same one, where several are as
/// good. Cost: rows^2 x columns at worst.
/// \param scores  [rows, columns], row-major, finite
/// \param rows    no more than there are columns
/// \param columns of `scores`
/// \return [rows], the column of each
std::vector<std::int64_t> best_assignment(std::span<const double> scores, std::int64_t rows,
                                          std::int64_t columns);

}  // namespace msae::eval
