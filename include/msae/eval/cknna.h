/// \file
/// How far two spaces agree on who is whose neighbour.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "msae/core/export.h"

namespace msae::eval {

/// For each row the rows that have the largest inner product with it, itself left out.
struct Neighbours {
  torch::Tensor index;  ///< [rows, k], int64, on the CPU
  torch::Tensor value;  ///< [rows, k], float64, the inner products
};

/// Finds the nearest neighbours of every row among all others, by inner product in float64. Equal products
/// are settled for the lower index; nothing depends on the number of threads. Cost: rows^2 x dim, on the
/// rows' device; memory: some 200 MB beside the rows themselves, never rows x rows.
/// \param rows [rows, dim], floating-point
/// \param k    neighbours of a row
/// \return the neighbours of each row, nearest first
/// \throws c10::Error when k is below 1, there are fewer than k + 1 rows, or one holds NaN or Inf
MSAE_EXPORT Neighbours nearest_neighbours(const torch::Tensor& rows, std::int64_t k = 10);

/// CKNNA (centred kernel nearest-neighbour alignment, Huh et al., arXiv 2405.07987, as Zaigrajew et al.,
/// arXiv 2502.20578, compute it). With K = a a^T, L = b b^T and N_K the mask of each row's neighbours,
/// sim(K, L) = HSIC(N_K N_L K, N_K N_L L) with the unbiased estimate of HSIC (Song et al., JMLR 2012), and
/// CKNNA = sim(K, L) / (sqrt(sim(K, K) sim(L, L)) + 1e-6). 1: the spaces have the same neighbours in the same
/// way. The 1e-6 counts where products are tiny: scale such rows up. Cost: rows x k.
/// \param a neighbours in one space
/// \param b neighbours of the same rows in the other space
/// \return at most about 1; NaN where sim(K, K) or sim(L, L) is negative, as it may be for few rows
/// \throws c10::Error when the shapes differ, there are fewer than 4 rows, or an index is no other row's
MSAE_EXPORT double cknna(const Neighbours& a, const Neighbours& b);

/// The same of the rows themselves: see nearest_neighbours().
/// \param a [rows, dim of a], floating-point
/// \param b [rows, dim of b], floating-point
/// \param k neighbours of a row
/// \return as above
/// \throws c10::Error when the numbers of rows differ or are below k + 1 or 4, k is below 1, or a row holds
///         NaN or Inf
MSAE_EXPORT double cknna(const torch::Tensor& a, const torch::Tensor& b, std::int64_t k = 10);

}  // namespace msae::eval
