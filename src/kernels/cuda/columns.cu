#include "kernels/cuda/columns.h"

#include "kernels/cuda/block.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned row_threads = 128, latent_threads = 256, scan_threads = 1024;
// A bit each row of a chunk.
constexpr int chunk_rows = 32;

int chunks_of(int rows) {
  return (rows + chunk_rows - 1) / chunk_rows;
}

// The room: for every chunk and latent, the rows that have the latent in a list, those that have it in the
// auxiliary one, and how many entries the chunks before have.
struct Room {
  std::uint32_t *listed, *auxiliary, *before;  // [chunks, latents]

  __host__ __device__ Room(std::uint32_t* at, std::int64_t size)
      : listed(at), auxiliary(at + size), before(at + 2 * size) {}
};

// A block a row.
__global__ void mark_kernel(const __grid_constant__ SortColumns work, int chunks) {
  const Room room(work.room, static_cast<std::int64_t>(chunks) * work.latents);
  const std::int64_t row = blockIdx.x, chunk = row / chunk_rows * work.latents;
  const auto bit = 1u << row % chunk_rows;
  const auto count = work.entries.begin[row * (work.levels.count + 1) + work.levels.count];
  const auto* latent = work.entries.latent + row * work.entries.capacity;
  for (auto i = threadIdx.x; i < count; i += blockDim.x) atomicOr(&room.listed[chunk + latent[i]], bit);
  if (!work.auxiliary.begin) return;
  const auto more = work.auxiliary.begin[row * 2 + 1];
  const auto* other = work.auxiliary.latent + row * work.auxiliary.capacity;
  for (auto i = threadIdx.x; i < more; i += blockDim.x) atomicOr(&room.auxiliary[chunk + other[i]], bit);
}

// Lanes are latents, warps share the chunks: entries of the chunks before each, and of all.
__global__ void add_chunks_kernel(const __grid_constant__ SortColumns work, int chunks) {
  auto* sums = reinterpret_cast<std::uint32_t*>(shared_memory());  // [warps, lanes]
  const Room room(work.room, static_cast<std::int64_t>(chunks) * work.latents);
  const auto j = static_cast<std::int64_t>(blockIdx.x) * warp + lane();
  const int share = (chunks + static_cast<int>(warps_of_block()) - 1) / static_cast<int>(warps_of_block());
  const int begin = min(static_cast<int>(warp_of_block()) * share, chunks), end = min(begin + share, chunks);
  const bool auxiliary = work.auxiliary.begin != nullptr;
  constexpr int each = 8;  // read together: no read waits for a write
  // Calls `use` with places of some chunks, and the entries of each.
  const auto for_chunks = [&](auto use) {
    for (int first = begin; first < end && j < work.latents; first += each) {
      const auto at = [&](int i) { return static_cast<std::int64_t>(first + i) * work.latents + j; };
      std::uint32_t own[each];
#pragma unroll
      for (int i = 0; i < each; ++i) {
        own[i] = 0;
        if (first + i < end) {
          own[i] = static_cast<std::uint32_t>(__popc(room.listed[at(i)]));
          if (auxiliary) own[i] += static_cast<std::uint32_t>(__popc(room.auxiliary[at(i)]));
        }
      }
#pragma unroll
      for (int i = 0; i < each; ++i) {
        if (first + i < end) use(at(i), own[i]);
      }
    }
  };
  std::uint32_t count = 0;
  for_chunks([&](std::int64_t, std::uint32_t own) { count += own; });
  sums[threadIdx.x] = count;
  __syncthreads();
  std::uint32_t before = 0, total = 0;
  for (unsigned w = 0; w < warps_of_block(); ++w) {
    const auto of_warp = sums[w * warp + lane()];
    if (w < warp_of_block()) before += of_warp;
    total += of_warp;
  }
  for_chunks([&](std::int64_t at, std::uint32_t own) {
    room.before[at] = before;
    before += own;
  });
  if (warp_of_block() == 0 && j < work.latents) work.columns.begin[j] = total;
}

// One block: counts become beginnings, some of each thread at a time.
__global__ void begin_kernel(const __grid_constant__ SortColumns work) {
  constexpr int each = 8;
  auto* room = reinterpret_cast<std::uint32_t*>(shared_memory());
  auto* begin = work.columns.begin;
  std::uint32_t so_far = 0;
  for (int first = 0; first <= work.latents; first += static_cast<int>(blockDim.x) * each) {
    const int j = first + static_cast<int>(threadIdx.x) * each;
    std::uint32_t count[each], mine = 0, total = 0;
#pragma unroll
    for (int i = 0; i < each; ++i) {
      count[i] = j + i < work.latents ? begin[j + i] : 0;
      mine += count[i];
    }
    auto at = so_far + sum_before(mine, room, total);
#pragma unroll
    for (int i = 0; i < each; ++i) {
      if (j + i <= work.latents) begin[j + i] = at;
      at += count[i];
    }
    so_far += total;
  }
}

// A block a row: an entry's place is known from the bits of the rows before.
__global__ void place_kernel(const __grid_constant__ SortColumns work, int chunks) {
  const Room room(work.room, static_cast<std::int64_t>(chunks) * work.latents);
  const std::int64_t row = blockIdx.x, chunk = row / chunk_rows * work.latents;
  const auto earlier = (1u << row % chunk_rows) - 1;
  const auto upto = earlier << 1 | 1;
  const auto put = [&](std::uint32_t latent, std::uint32_t rows_listed, int slot, float value) {
    const auto at = chunk + latent;
    const auto to =
        work.columns.begin[latent] + room.before[at] +
        static_cast<std::uint32_t>(__popc(room.listed[at] & rows_listed) +
                                   (work.auxiliary.begin ? __popc(room.auxiliary[at] & earlier) : 0));
    work.columns.place[to] = static_cast<std::uint32_t>(row) << 8 | static_cast<std::uint32_t>(slot);
    work.columns.value[to] = value;
  };
  const auto* begin = work.entries.begin + row * (work.levels.count + 1);
  const auto first = row * work.entries.capacity;
  int level = 0;
  for (auto i = threadIdx.x; i < begin[work.levels.count]; i += blockDim.x) {
    while (i >= begin[level + 1]) ++level;
    put(work.entries.latent[first + i], earlier, work.levels.slot[level], work.entries.value[first + i]);
  }
  if (!work.auxiliary.begin) return;
  const auto other = row * work.auxiliary.capacity;
  for (auto i = threadIdx.x; i < work.auxiliary.begin[row * 2 + 1]; i += blockDim.x) {
    put(work.auxiliary.latent[other + i], upto, work.auxiliary_slot, work.auxiliary.value[other + i]);
  }
}

}  // namespace

std::int64_t column_room(int rows, int latents) {
  return std::int64_t{3} * chunks_of(rows) * latents;
}

void sort_columns(Stream stream, const SortColumns& work) {
  const int chunks = chunks_of(work.rows);
  const auto rows = dim3(static_cast<unsigned>(work.rows));
  const auto marks = std::size_t{work.auxiliary.begin ? 2u : 1u} * static_cast<std::size_t>(chunks) *
                     static_cast<std::size_t>(work.latents);
  require(cudaMemsetAsync(work.room, 0, marks * sizeof(std::uint32_t), stream), "memset");
  launch(stream, {rows, block_of(row_threads)}, mark_kernel, work, chunks);
  const auto block = block_of(latent_threads);
  launch(stream, {dim3(blocks_for(work.latents, warp)), block, block * sizeof(std::uint32_t)},
         add_chunks_kernel, work, chunks);
  launch(stream, {dim3(1), block_of(scan_threads), most_warps * sizeof(std::uint32_t)}, begin_kernel, work);
  launch(stream, {rows, block_of(row_threads)}, place_kernel, work, chunks);
}

}  // namespace msae::kernels::cuda
