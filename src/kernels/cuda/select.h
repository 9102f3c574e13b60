// Which latents rows keep, for all levels in one pass.
#pragma once

#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// Ranks pre + bias by (value descending, latent ascending); the positive ones among the first keep[l] are
/// level l's.
template <typename F>
struct Select {
  int rows = 0, latents = 0;
  const float* pre = {};            ///< [rows, padded(latents)]
  const float* bias = {};           ///< [latents]
  float soft_cap = 0;               ///< latents become soft_cap * tanh(p / soft_cap); 0: they do not
  const std::uint8_t* wanted = {};  ///< [latents], the others are left out; null: all are wanted
  Levels levels;
  const BatchCut* cuts = {};  ///< [levels], where the levels end in the batch; null: each row has its own

  Entries entries;  ///< to: latents of the levels that are lists
  F* dense = {};    ///< to [dense levels, rows, padded(latents)]
  std::uint8_t* slot =
      {};  ///< to [rows, padded(latents)]: of an entry's level, or no_level; null: not asked for
  std::uint32_t* kept = {};  ///< to [rows, levels]: latents that a level adds
  float* sum = {};           ///< to [rows]: of the latents; null: not asked for
};
template <typename F>
void select(Stream stream, const Select<F>& work);

/// Where levels end that keep rows * keep[l] latents of a batch.
struct CutBatch {
  int rows = 0, latents = 0;
  const float* pre = {};   ///< [rows, padded(latents)]
  const float* bias = {};  ///< [latents]
  Levels levels;
  BatchCut* cuts = {};            ///< to [levels]
  float* smallest = {};           ///< to [levels]: the smallest value kept, infinite where there is none
  unsigned long long* room = {};  ///< [batch_cut_room(levels, rows)]
};
/// How much room cutting a batch takes, in numbers of 8 bytes.
std::int64_t batch_cut_room(int levels, int rows);
void cut_batch(Stream stream, const CutBatch& work);

}  // namespace msae::kernels::cuda
