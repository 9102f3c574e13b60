// Reconstructions of all levels for those who have a loss of their own, and the way back of its gradients.
#pragma once

#include <span>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// With d_l the sum of value * decoder row over a row's entries of level l: d_0 + ... + d_l for every level.
template <typename T>
struct Reconstruct {
  std::span<const ChunkEntries<T>> chunks;
  std::int64_t levels = 1;  ///< of the runs
  std::int64_t used = 1;    ///< those that have entries, at least 1; later ones are like the last of them
  const Sliced<T>* decoder = {};  ///< [latents, dim]
  std::int64_t tile = 1;          ///< latents of a tile of the runs
  Matrix<T> reconstruction = {};  ///< to [levels * rows, dim], level after level
};

/// For the rows of some chunks. Every row's numbers are its own: whatever the chunks, they are the same.
/// \param sums [(last_chunk - first_chunk) * chunk_rows * used, slice_width], to work with
template <typename T>
void reconstruct(const Reconstruct<T>& work, std::int64_t first_chunk, std::int64_t last_chunk, T* sums);

/// A reconstruction has what all levels up to its own add, so what a level adds has the gradients of all
/// reconstructions from its own on: G_l = g_l + G_(l+1).
template <typename T>
struct SuffixSums {
  Matrix<const T> gradient = {};  ///< [levels * rows, dim]: g, level after level
  std::int64_t levels = 1;        ///< of g
  std::int64_t used = 1;          ///< of G: the first ones, at least 1
  Sliced<T>* sums = {};           ///< to [rows * used, dim]: G, as kernels::DecoderBackward takes it
};

/// For rows first..last.
template <typename T>
void add_up(const SuffixSums<T>& work, std::int64_t first, std::int64_t last);

/// Gradients of entries, as columns have them, to the rows of a dense matrix.
/// \param rows [rows of the chunk, latents], overwritten: 0 where there is no entry
template <typename T>
void to_rows(const ChunkColumns<T>& columns, const Matrix<T>& rows);

}  // namespace msae::kernels
