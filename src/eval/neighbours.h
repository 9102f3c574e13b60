/// \file
/// The parts of CKNNA, for its tests.
#pragma once

#include "msae/eval/cknna.h"

namespace msae::eval::detail {

/// Rows and columns of the products that are in memory at once. They change no bit of the result.
struct NeighbourBlocks {
  std::int64_t rows = 512;
  std::int64_t columns = 2048;
};

/// nearest_neighbours() in blocks of any size.
Neighbours nearest_neighbours(const torch::Tensor& rows, std::int64_t k, const NeighbourBlocks& blocks);

/// sim(K, L) of CKNNA: the unbiased HSIC of two kernels where both have an entry, [rows, k] of them each.
double masked_hsic(const Neighbours& a, const Neighbours& b);

}  // namespace msae::eval::detail
