#include "kernels/cpu/columns.h"

#include <algorithm>

namespace msae::kernels {
namespace {

constexpr std::uint32_t rounded_up(std::uint32_t count) {
  return (count + column_group - 1) / column_group * column_group;
}

// Calls visit(first entry, last entry, row, level) for every run that counts: tile by tile, so that what is
// written to stays in the cache.
template <typename T, typename Visit>
void for_runs(const LevelledEntries<T>& part, const Visit& visit) {
  const auto& rows = *part.rows;
  const auto to = std::min(part.to, part.levels);
  for (std::int64_t tile = 0; tile < rows.runs_per_row; tile += part.levels) {
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const auto* run = rows.run.data() + row * rows.runs_per_row + tile;
      for (auto level = part.from; level < to; ++level) visit(run[level], run[level + 1], row, level);
    }
  }
}

// begin[j + 1] becomes where the entries of latent j begin.
template <typename T>
void count_latents(std::span<const LevelledEntries<T>> entries, std::int64_t latents, std::uint32_t* begin) {
  std::fill_n(begin, latents + 2, 0U);
  for (const auto& part : entries) {
    const auto* latent = part.rows->latent.data();
    for_runs(part, [&](std::uint32_t first, std::uint32_t last, std::int64_t, std::int64_t) {
      for (auto i = first; i < last; ++i) ++begin[latent[i] + 2];
    });
  }
  for (std::int64_t j = 2; j < latents + 2; ++j) begin[j] = begin[j - 1] + rounded_up(begin[j]);
}

// `next` of a latent moves on as its entries come in.
template <typename T>
void place(const LevelledEntries<T>& part, std::uint32_t* next, ChunkColumns<T>& columns) {
  const auto* latent = part.rows->latent.data();
  const auto* value = part.rows->value.data();
  for_runs(part, [&](std::uint32_t first, std::uint32_t last, std::int64_t row, std::int64_t level) {
    const auto place = static_cast<std::uint32_t>(row << 8 | (part.first_level + level));
    for (auto i = first; i < last; ++i) {
      const auto to = next[latent[i]]++;
      columns.place[to] = place;
      columns.value[to] = value[i];
    }
  });
}

}  // namespace

template <typename T>
void to_columns(std::span<const LevelledEntries<T>> entries, std::int64_t latents, ChunkColumns<T>& columns) {
  columns.begin.reserve(latents + 2);
  count_latents(entries, latents, columns.begin.data());
  const auto all = std::int64_t{columns.begin[latents + 1]};
  columns.place.grow(all, 0);
  columns.value.grow(all, 0);
  columns.gradient.grow(all, 0);
  auto* next = columns.begin.data() + 1;  // in the end each is where its latent's entries end
  for (const auto& part : entries) place(part, next, columns);
  for (std::int64_t j = 0; j < latents; ++j) {
    for (const auto end = rounded_up(next[j]); next[j] < end; ++next[j]) {
      columns.place[next[j]] = 0;
      columns.value[next[j]] = 0;
    }
  }
}

template void to_columns(std::span<const LevelledEntries<float>>, std::int64_t, ChunkColumns<float>&);
template void to_columns(std::span<const LevelledEntries<double>>, std::int64_t, ChunkColumns<double>&);

}  // namespace msae::kernels
