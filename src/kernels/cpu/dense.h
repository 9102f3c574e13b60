// Between sparse entries and the dense matrices that products take.
#pragma once

#include <span>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// A block of rows of the latents of one level: to [rows of the chunks, latents], zero where there is none.
/// \param levels of the runs
template <typename T>
void to_dense_rows(std::span<const ChunkEntries<T>> chunks, std::int64_t levels, std::int64_t level,
                   std::int64_t latents, T* dense);

/// Adds the values, or the gradients, of latents first..last to [last - first, rows].
template <typename T>
void add_to_dense_columns(std::span<const ChunkColumns<T>> chunks, bool gradients, std::int64_t first,
                          std::int64_t last, std::int64_t rows, T* dense);

/// The gradients of a chunk's entries from those of all latents, [rows of the chunk, latents].
template <typename T>
void take_gradients(const T* dense, std::int64_t latents, ChunkColumns<T>& columns);

/// One slot of gradients, row by row: to [last - first, dim].
template <typename T>
void unpack(const Sliced<T>& gradient, std::int64_t slots, std::int64_t slot, std::int64_t first,
            std::int64_t last, T* rows);

}  // namespace msae::kernels
