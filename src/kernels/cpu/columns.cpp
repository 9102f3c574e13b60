#include "kernels/cpu/columns.h"

#include <algorithm>

namespace msae::kernels {
namespace {

constexpr std::uint32_t rounded_up(std::uint32_t count) {
  return (count + column_group - 1) / column_group * column_group;
}

// begin[j + 1] becomes where the entries of latent j begin.
template <typename T>
void count_latents(std::span<const LevelledEntries<T>> entries, std::int64_t latents, std::uint32_t* begin) {
  std::fill_n(begin, latents + 2, 0U);
  for (const auto& part : entries) {
    const auto count = part.rows->count();
    const auto* latent = part.rows->latent.data();
    for (std::int64_t i = 0; i < count; ++i) ++begin[latent[i] + 2];
  }
  for (std::int64_t j = 2; j < latents + 2; ++j) begin[j] = begin[j - 1] + rounded_up(begin[j]);
}

// `next` of a latent moves on as its entries come in.
template <typename T>
void place(const LevelledEntries<T>& part, std::uint32_t* next, ChunkColumns<T>& columns) {
  const auto& rows = *part.rows;
  std::int64_t entry = 0;
  for (std::int64_t row = 0, run = 1; row < rows.rows; ++row) {
    for (std::int64_t i = 0; i < rows.runs_per_row; ++i, ++run) {
      const auto place = static_cast<std::uint32_t>(row << 8 | (part.first_level + i % part.levels));
      for (const auto end = std::int64_t{rows.run[run]}; entry < end; ++entry) {
        const auto to = next[rows.latent[entry]]++;
        columns.place[to] = place;
        columns.value[to] = rows.value[entry];
      }
    }
  }
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
