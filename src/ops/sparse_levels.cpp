#include "ops/sparse_levels.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "kernels/cpu/reconstruct.h"
#include "kernels/cpu/select.h"
#include "msae/ops/selection.h"
#include "ops/check_selection.h"
#include "ops/torch_executor.h"

namespace msae::ops {
namespace {

using kernels::chunk_rows;

// Chunks for which the decoder is read once, where there are many: their sums stay in a cache as well.
constexpr std::int64_t most_chunks = 8;

std::int64_t parts(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

// Calls `work(chunk, first row, last row, worker)`.
template <class Work>
void for_chunks(std::int64_t rows, const Work& work) {
  torch_executor().run(parts(rows, chunk_rows), [&](std::int64_t chunk, int worker) {
    work(static_cast<std::size_t>(chunk), chunk * chunk_rows, std::min((chunk + 1) * chunk_rows, rows),
         worker);
  });
}

template <typename T>
SparseLevels<T> select(const torch::Tensor& pre, std::span<const std::int64_t> levels, std::int64_t tile,
                       T soft_cap) {
  const auto rows = matrix_of<const T>(pre);
  const auto count = static_cast<std::int64_t>(levels.size());
  SparseLevels<T> kept{
      .rows = rows.rows, .latents = rows.columns, .levels = count, .used = 1, .tile = tile, .chunks = {}};
  kept.chunks.resize(static_cast<std::size_t>(parts(rows.rows, chunk_rows)));
  const auto workers = static_cast<std::size_t>(torch_executor().workers());
  std::vector<std::optional<kernels::Selector<T>>> selectors(workers);
  std::vector<std::int64_t> most(workers);
  for_chunks(rows.rows, [&](std::size_t c, std::int64_t first, std::int64_t last, int worker) {
    auto& selector = selectors[static_cast<std::size_t>(worker)];
    if (!selector) selector.emplace(rows.columns, tile, soft_cap);
    kept.chunks[c].clear(parts(rows.columns, tile) * count);
    for (auto b = first; b < last; ++b) {
      selector->read(rows.row(b));
      auto& largest = most[static_cast<std::size_t>(worker)];
      largest = std::max(largest, selector->count());
      selector->append(selector->cuts(levels), count, kept.chunks[c]);
    }
  });
  const auto narrow =
      std::lower_bound(levels.begin(), levels.end(), *std::max_element(most.begin(), most.end()));
  kept.used = std::min<std::int64_t>(narrow - levels.begin() + 1, count);
  return kept;
}

template <typename T>
SparseRows rows_of(const SparseLevels<T>& kept, torch::ScalarType type) {
  std::vector<std::int64_t> starts{0};
  for (const auto& chunk : kept.chunks) starts.push_back(starts.back() + chunk.count());
  SparseRows all{torch::empty({kept.rows}, torch::kInt64), torch::empty({starts.back()}, torch::kInt32),
                 torch::empty({starts.back()}, type)};
  auto* counts = all.counts.data_ptr<std::int64_t>();
  auto* indices = all.indices.data_ptr<std::int32_t>();
  auto* values = all.values.template data_ptr<T>();
  for_chunks(kept.rows, [&](std::size_t c, std::int64_t first, std::int64_t, int) {
    const auto& chunk = kept.chunks[c];
    for (std::int64_t i = 0; i < chunk.rows; ++i) {
      counts[first + i] = chunk.row_begin(i + 1) - chunk.row_begin(i);
    }
    std::copy_n(chunk.latent.data(), chunk.count(), indices + starts[c]);
    std::copy_n(chunk.value.data(), chunk.count(), values + starts[c]);
  });
  return all;
}

// Of each level, those it adds.
struct ChunkActivity {
  std::vector<std::int64_t> active;
  std::vector<double> magnitude;
};

// \param first_level [latents], lowered to the levels that are found here
template <typename T>
void count_chunk(const kernels::ChunkEntries<T>& chunk, std::int64_t levels, ChunkActivity& activity,
                 std::uint8_t* first_level) {
  for (std::int64_t run = 0; run < chunk.rows * chunk.runs_per_row; ++run) {
    const auto level = static_cast<std::size_t>(run % levels);
    double sum = 0;
    for (auto i = chunk.run[run]; i < chunk.run[run + 1]; ++i) {
      if (chunk.value[i] == 0) continue;  // a soft cap may round to that
      sum += static_cast<double>(chunk.value[i]);
      ++activity.active[level];
      auto& first = first_level[chunk.latent[i]];
      first = std::min(first, static_cast<std::uint8_t>(level));
    }
    activity.magnitude[level] += sum;
  }
}

}  // namespace

bool kernels_take(const torch::Tensor& matrix) {
  return matrix.is_cpu() && matrix.layout() == torch::kStrided && matrix.dim() == 2 && matrix.numel() > 0 &&
         (matrix.scalar_type() == torch::kFloat32 || matrix.scalar_type() == torch::kFloat64);
}

template <typename T>
SparseLevels<T> sparse_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels,
                              double soft_cap) {
  check_levels(levels);
  return select(pre.contiguous(), levels, kernels::tile_latents, static_cast<T>(soft_cap));
}

template <typename T>
torch::Tensor dense_levels(const SparseLevels<T>& kept, std::int64_t otherwise) {
  torch::Tensor level = torch::empty({kept.rows, kept.latents}, torch::kUInt8);
  auto* const levels = level.data_ptr<std::uint8_t>();
  for_chunks(kept.rows, [&](std::size_t c, std::int64_t first, std::int64_t last, int) {
    std::fill(levels + first * kept.latents, levels + last * kept.latents,
              static_cast<std::uint8_t>(otherwise));
    const auto& chunk = kept.chunks[c];
    for (std::int64_t run = 0; run < chunk.rows * chunk.runs_per_row; ++run) {
      auto* row = levels + (first + run / chunk.runs_per_row) * kept.latents;
      for (auto i = chunk.run[run]; i < chunk.run[run + 1]; ++i) {
        row[chunk.latent[i]] = static_cast<std::uint8_t>(run % kept.levels);
      }
    }
  });
  return level;
}

template <typename T>
kernels::Sliced<T> sliced(const torch::Tensor& decoder) {
  const auto contiguous = decoder.contiguous();
  const auto rows = matrix_of<const T>(contiguous);
  kernels::Sliced<T> all;
  all.resize(rows.rows, rows.columns);
  for_chunks(rows.rows, [&](std::size_t, std::int64_t first, std::int64_t last, int) {
    kernels::pack(rows, first, last, all);
  });
  return all;
}

template <typename T>
torch::Tensor reconstruct(const SparseLevels<T>& kept, const torch::Tensor& decoder) {
  const auto dictionary = sliced<T>(decoder);
  auto all = torch::empty({kept.levels, kept.rows, decoder.size(1)}, decoder.options().requires_grad(false));
  const kernels::Reconstruct<T> work{.chunks = kept.chunks,
                                     .levels = kept.levels,
                                     .used = kept.used,
                                     .decoder = &dictionary,
                                     .tile = kept.tile,
                                     .reconstruction = matrix_of<T>(all)};
  const auto chunks = static_cast<std::int64_t>(kept.chunks.size());
  const auto workers = std::int64_t{torch_executor().workers()};
  const auto pieces = std::min(chunks, std::max(2 * workers, parts(chunks, most_chunks)));
  std::vector<kernels::Buffer<T>> sums(static_cast<std::size_t>(workers));
  torch_executor().run(pieces, [&](std::int64_t piece, int worker) {
    const auto first = piece * chunks / pieces, last = (piece + 1) * chunks / pieces;
    auto& room = sums[static_cast<std::size_t>(worker)];
    room.reserve((last - first) * chunk_rows * kept.used * kernels::slice_width<T>);
    kernels::reconstruct(work, first, last, room.data());
  });
  return all;
}

template <typename T>
LevelActivity activity_of(const SparseLevels<T>& kept) {
  const auto levels = static_cast<std::size_t>(kept.levels);
  const ChunkActivity none{std::vector<std::int64_t>(levels), std::vector<double>(levels)};
  std::vector<ChunkActivity> chunks(kept.chunks.size(), none);
  const std::vector<std::uint8_t> nowhere(static_cast<std::size_t>(kept.latents),
                                          static_cast<std::uint8_t>(kept.levels));
  std::vector<std::vector<std::uint8_t>> first(static_cast<std::size_t>(torch_executor().workers()), nowhere);
  for_chunks(kept.rows, [&](std::size_t c, std::int64_t, std::int64_t, int worker) {
    count_chunk(kept.chunks[c], kept.levels, chunks[c], first[static_cast<std::size_t>(worker)].data());
  });
  LevelActivity all{none.active, none.magnitude, torch::empty({kept.latents}, torch::kUInt8)};
  // Chunk by chunk in their order, so that threads do not matter.
  for (std::size_t l = 0; l < levels; ++l) {
    if (l > 0) all.active[l] = all.active[l - 1];
    if (l > 0) all.magnitude[l] = all.magnitude[l - 1];
    for (const auto& chunk : chunks) {
      all.active[l] += chunk.active[l];
      all.magnitude[l] += chunk.magnitude[l];
    }
  }
  auto* first_level = all.first_level.template data_ptr<std::uint8_t>();
  std::copy(nowhere.begin(), nowhere.end(), first_level);
  for (const auto& of_worker : first) {
    std::transform(of_worker.begin(), of_worker.end(), first_level, first_level,
                   [](auto x, auto y) { return std::min(x, y); });
  }
  return all;
}

SparseRows sparse_topk(const torch::Tensor& pre, std::int64_t k) {
  return with_type_of(pre, [&]<typename T>(T) {
    const std::int64_t levels[] = {k};
    return rows_of(select(pre.contiguous(), levels, pre.size(1), T{0}), pre.scalar_type());
  });
}

torch::Tensor positive_levels(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto count = static_cast<std::int64_t>(levels.size());
  if (count == 0 || !kernels_take(pre)) return nested_levels(pre, levels).masked_fill_(pre <= 0, count);
  return with_type_of(pre, [&]<typename T>(T) { return dense_levels(sparse_levels<T>(pre, levels), count); });
}

template SparseLevels<float> sparse_levels(const torch::Tensor&, const std::vector<std::int64_t>&, double);
template SparseLevels<double> sparse_levels(const torch::Tensor&, const std::vector<std::int64_t>&, double);
template torch::Tensor dense_levels(const SparseLevels<float>&, std::int64_t);
template torch::Tensor dense_levels(const SparseLevels<double>&, std::int64_t);
template LevelActivity activity_of(const SparseLevels<float>&);
template LevelActivity activity_of(const SparseLevels<double>&);
template kernels::Sliced<float> sliced(const torch::Tensor&);
template kernels::Sliced<double> sliced(const torch::Tensor&);
template torch::Tensor reconstruct(const SparseLevels<float>&, const torch::Tensor&);
template torch::Tensor reconstruct(const SparseLevels<double>&, const torch::Tensor&);

}  // namespace msae::ops
