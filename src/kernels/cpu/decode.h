// All levels' reconstructions and what they are off by, in one pass over the entries.
#pragma once

#include <span>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// Reconstructs every level and leaves what the gradient needs of it. With d_l the sum of value * decoder row
/// over a row's entries of level l,
///
///     e_l = d_0 + ... + d_l - target,   g_l = weight_l * row_weight * e_l,   G_l = g_l + G_(l+1).
template <typename T>
struct Decode {
  std::span<const ChunkEntries<T>> chunks;
  std::int64_t levels = 1;        ///< of the runs
  std::int64_t used = 1;          ///< those that count; the runs of later ones are empty
  const Sliced<T>* decoder = {};  ///< [latents, dim]
  std::int64_t tile = 1;          ///< latents of a tile of the runs
  const Sliced<T>* target = {};   ///< [rows, dim]
  const T* weight = {};           ///< [used]
  const T* row_weight = {};       ///< [rows]
  std::int64_t slots = 1;         ///< of gradients a row: `used`, or one more, which then gets the last e
  Sliced<T>* gradient = {};       ///< to [rows * slots, dim]: G
  double* error = {};             ///< to [rows, used]: sums of e_l^2; added to, slice by slice
  const T* widest = {};           ///< [rows, dim], the last level's d where it is known already; else null
};

/// For the rows of some chunks. Every row's numbers are its own: whatever the chunks, they are the same.
template <typename T>
void decode(const Decode<T>& work, std::int64_t first_chunk, std::int64_t last_chunk);

/// What dead latents make of the residual that the widest level leaves. With d the sum of value * decoder row
/// over a row's entries, and e that level's error, which the slot holds,
///
///     e' = d + e,   G = row_weight * e'.
template <typename T>
struct DecodeAuxiliary {
  std::span<const ChunkEntries<T>> chunks;  ///< of one level
  const Sliced<T>* decoder = {};            ///< [latents, dim]
  std::int64_t tile = 1;                    ///< latents of a tile of the runs
  const T* row_weight = {};                 ///< [rows]
  std::int64_t slots = 1;                   ///< of gradients a row, the last of which is this one's
  Sliced<T>* gradient = {};                 ///< [rows * slots, dim]: e becomes G
  double* error = {};                       ///< to [rows]: sums of e'^2; added to, slice by slice
};
template <typename T>
void decode(const DecodeAuxiliary<T>& work, std::int64_t first_chunk, std::int64_t last_chunk);

/// Sums over all rows of the gradients in one slot: to [slice's width].
template <typename T>
void sum_rows(const Sliced<T>& gradient, std::int64_t slots, std::int64_t slot, std::int64_t slice, T* sums);

}  // namespace msae::kernels
