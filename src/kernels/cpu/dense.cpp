#include "kernels/cpu/dense.h"

#include <algorithm>

namespace msae::kernels {

template <typename T>
void to_dense_rows(std::span<const ChunkEntries<T>> chunks, std::int64_t levels, std::int64_t level,
                   std::int64_t latents, T* dense) {
  for (const auto& chunk : chunks) {
    std::fill_n(dense, chunk.rows * latents, T{0});
    for (std::int64_t row = 0; row < chunk.rows; ++row, dense += latents) {
      const auto* run = chunk.run.data() + row * chunk.runs_per_row;
      for (auto i = level; i < chunk.runs_per_row; i += levels) {
        for (auto k = run[i]; k < run[i + 1]; ++k) dense[chunk.latent[k]] = chunk.value[k];
      }
    }
  }
}

template <typename T>
void add_to_dense_columns(std::span<const ChunkColumns<T>> chunks, bool gradients, std::int64_t first,
                          std::int64_t last, std::int64_t rows, T* dense) {
  for (const auto& columns : chunks) {
    const auto* values = gradients ? columns.gradient.data() : columns.value.data();
    for (auto j = first; j < last; ++j) {
      auto* row = dense + (j - first) * rows;
      for (auto i = columns.begin[j]; i < columns.begin[j + 1]; ++i) row[columns.place[i] >> 8] += values[i];
    }
    dense += chunk_rows;
  }
}

template <typename T>
void take_gradients(const T* dense, std::int64_t latents, ChunkColumns<T>& columns) {
  for (std::int64_t j = 0; j < latents; ++j) {
    for (auto i = columns.begin[j]; i < columns.begin[j + 1]; ++i) {
      columns.gradient[i] = dense[(columns.place[i] >> 8) * latents + j];
    }
  }
}

template <typename T>
void unpack(const Sliced<T>& gradient, std::int64_t slots, std::int64_t slot, std::int64_t first,
            std::int64_t last, T* rows) {
  for (std::int64_t s = 0; s < gradient.slices(); ++s) {
    for (auto b = first; b < last; ++b) {
      std::copy_n(gradient.slice(s) + (b * slots + slot) * slice_width<T>, gradient.width(s),
                  rows + (b - first) * gradient.columns() + s * slice_width<T>);
    }
  }
}

template void to_dense_rows(std::span<const ChunkEntries<float>>, std::int64_t, std::int64_t, std::int64_t,
                            float*);
template void to_dense_rows(std::span<const ChunkEntries<double>>, std::int64_t, std::int64_t, std::int64_t,
                            double*);
template void add_to_dense_columns(std::span<const ChunkColumns<float>>, bool, std::int64_t, std::int64_t,
                                   std::int64_t, float*);
template void add_to_dense_columns(std::span<const ChunkColumns<double>>, bool, std::int64_t, std::int64_t,
                                   std::int64_t, double*);
template void take_gradients(const float*, std::int64_t, ChunkColumns<float>&);
template void take_gradients(const double*, std::int64_t, ChunkColumns<double>&);
template void unpack(const Sliced<float>&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, float*);
template void unpack(const Sliced<double>&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace msae::kernels
