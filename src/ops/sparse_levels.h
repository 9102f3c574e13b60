// The positive latents that levels keep, as the kernels select them: a sparse matrix, made in one pass.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/cpu/layout.h"

namespace msae::ops {

/// Whether kernels take them: matrices of float32 or float64 on the CPU that are not empty.
bool kernels_take(const torch::Tensor& matrix);

/// Calls `work(float{})` or `work(double{})`, whichever a tensor that kernels take has.
template <class Work>
auto with_type_of(const torch::Tensor& matrix, const Work& work) {
  return matrix.scalar_type() == torch::kFloat64 ? work(double{}) : work(float{});
}

/// A matrix of theirs, which must be contiguous.
template <typename T>
kernels::Matrix<T> matrix_of(const torch::Tensor& t) {
  using Value = std::remove_const_t<T>;
  const auto columns = t.size(-1);
  return {t.data_ptr<Value>(), t.numel() / columns, columns, columns};
}

/// A row's positive pre-activations ranked by (value descending, index ascending): each at the first level
/// whose k exceeds its rank.
template <typename T>
struct SparseLevels {
  std::int64_t rows = 0, latents = 0;
  std::int64_t levels = 1;  ///< there are
  std::int64_t used = 1;    ///< at least 1; from the last of these on, levels keep the same
  std::int64_t tile = 1;    ///< as of ChunkEntries
  std::vector<kernels::ChunkEntries<T>> chunks;
};

/// \param pre      [rows, latents], taken by kernels
/// \param levels   latents kept, ascending from 0, at least one
/// \param soft_cap latents become soft_cap * tanh(p / soft_cap); 0: they do not
/// \throws c10::Error when levels do not ascend
template <typename T>
SparseLevels<T> sparse_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels,
                              double soft_cap = 0);

/// Each one's level, or `otherwise` where no level keeps it: [rows, latents] uint8.
template <typename T>
torch::Tensor dense_levels(const SparseLevels<T>& kept, std::int64_t otherwise);

/// All levels' reconstructions without a bias, [levels, rows, dim], by a decoder [latents, dim].
template <typename T>
torch::Tensor reconstruct(const SparseLevels<T>& kept, const torch::Tensor& decoder);

/// What the levels have of the latents that are not zero.
struct LevelActivity {
  std::vector<std::int64_t> active;  ///< [levels], how many there are
  std::vector<double> magnitude;     ///< [levels], their sums
  torch::Tensor first_level;         ///< [latents] uint8: the first level at which a row has it, or levels
};
template <typename T>
LevelActivity activity_of(const SparseLevels<T>& kept);

/// The decoder as the kernels read it.
template <typename T>
kernels::Sliced<T> sliced(const torch::Tensor& decoder);

/// Compressed sparse rows.
struct SparseRows {
  torch::Tensor counts;   ///< [rows] int64
  torch::Tensor indices;  ///< [entries] int32, ascending in a row
  torch::Tensor values;   ///< [entries], of the type of the pre-activations
};

/// The k largest positive pre-activations of each row [rows, latents], which kernels take.
SparseRows sparse_topk(const torch::Tensor& pre, std::int64_t k);

/// nested_levels() of the positive pre-activations: levels.size() for all others. On any device.
/// \param pre [rows, latents]
/// \return [rows, latents] uint8
torch::Tensor positive_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels);

}  // namespace msae::ops
