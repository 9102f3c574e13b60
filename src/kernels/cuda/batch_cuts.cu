#include "kernels/cuda/ranking.h"
#include "kernels/cuda/select.h"

namespace msae::kernels::cuda {
namespace {

using Count = unsigned long long;

constexpr unsigned row_threads = 256, find_threads = 1024;

// What is known so far of where a level ends.
struct Search {
  Count prefix;  // the bits of the key that are known
  Count need;    // of the values with that prefix; 0: the level's cut is known
};

// The room, cut into its parts.
struct Room {
  Count* top;      // [top_bins]
  Count* middle;   // [levels, middle_bins]
  Count* low;      // [levels, low_bins]
  Count* equal;    // [levels, rows], values equal to the level's key
  Count* least;    // [1], the smallest key
  Search* search;  // [levels]

  __host__ __device__ Room(Count* at, int levels, int rows)
      : top(at),
        middle(top + top_bins),
        low(middle + levels * middle_bins),
        equal(low + levels * low_bins),
        least(equal + static_cast<std::int64_t>(levels) * rows),
        search(reinterpret_cast<Search*>(least + 1)) {}
};

__device__ RowKeys keys_of(const CutBatch& work, std::int64_t row) {
  return {work.pre + row * padded(work.latents), work.bias, nullptr, work.latents};
}

// A block a row.
__global__ void top_kernel(const __grid_constant__ CutBatch work) {
  auto* histogram = reinterpret_cast<unsigned*>(shared_memory());
  const Room room(work.room, work.levels.count, work.rows);
  for (auto i = threadIdx.x; i < top_bins; i += blockDim.x) histogram[i] = 0;
  __syncthreads();
  const auto source = keys_of(work, blockIdx.x);
  Count least = ~Count{0};
  for (int j = static_cast<int>(threadIdx.x); j < work.latents; j += static_cast<int>(blockDim.x)) {
    const auto key = source.key(j);
    if (key == 0) continue;
    atomicAdd(&histogram[top_of(key)], 1u);
    least = min(least, static_cast<Count>(key));
  }
  least = warp_least(least);
  if (lane() == 0 && least != ~Count{0}) atomicMin(room.least, least);
  __syncthreads();
  for (auto i = threadIdx.x; i < top_bins; i += blockDim.x) {
    if (histogram[i] != 0) atomicAdd(&room.top[i], static_cast<Count>(histogram[i]));
  }
}

__device__ float value_of(Count key) {
  return __uint_as_float(static_cast<std::uint32_t>(key));
}

// One block: the bins that levels end in.
__global__ void find_top_kernel(const __grid_constant__ CutBatch work) {
  auto* sums = reinterpret_cast<Count*>(shared_memory());
  auto* answer = reinterpret_cast<Found<Count>*>(sums + most_warps);
  const Room room(work.room, work.levels.count, work.rows);
  Count mine = 0;
  for (auto i = threadIdx.x; i < top_bins; i += blockDim.x) mine += room.top[i];
  const auto total = block_sum(mine, sums);
  __syncthreads();
  for (int l = 0; l < work.levels.count; ++l) {
    const auto keep = static_cast<Count>(work.levels.keep[l]) * static_cast<Count>(work.rows);
    if (keep == 0 || keep >= total) {
      if (threadIdx.x != 0) continue;
      room.search[l] = {0, 0};
      work.cuts[l] = {keep == 0 ? ~0u : 0u, 0, 0};
      const bool none = keep == 0 || total == 0;
      work.smallest[l] = none ? __uint_as_float(0x7f800000u) : value_of(*room.least);
      continue;
    }
    const auto found = find_rank(room.top, top_bins, keep, sums, answer);
    if (threadIdx.x == 0) room.search[l] = {found.bin, keep - found.above};
  }
}

// A block a row: histograms of the next bits of the keys whose first ones are a level's.
__global__ void next_kernel(const __grid_constant__ CutBatch work, bool lowest) {
  const Room room(work.room, work.levels.count, work.rows);
  const auto source = keys_of(work, blockIdx.x);
  for (int j = static_cast<int>(threadIdx.x); j < work.latents; j += static_cast<int>(blockDim.x)) {
    const auto key = source.key(j);
    if (key == 0) continue;
    for (int l = 0; l < work.levels.count; ++l) {
      const auto search = room.search[l];
      if (search.need == 0 || search.prefix != (lowest ? key >> low_bits : top_of(key))) continue;
      auto* bin =
          lowest ? room.low + l * low_bins + low_of(key) : room.middle + l * middle_bins + middle_of(key);
      atomicAdd(bin, Count{1});
    }
  }
}

// One block.
__global__ void find_next_kernel(const __grid_constant__ CutBatch work, bool lowest) {
  auto* sums = reinterpret_cast<Count*>(shared_memory());
  auto* answer = reinterpret_cast<Found<Count>*>(sums + most_warps);
  const Room room(work.room, work.levels.count, work.rows);
  for (int l = 0; l < work.levels.count; ++l) {
    const auto search = room.search[l];
    if (search.need == 0) continue;
    const int bins = lowest ? low_bins : middle_bins;
    const auto found =
        find_rank((lowest ? room.low : room.middle) + l * bins, bins, search.need, sums, answer);
    if (threadIdx.x != 0) continue;
    room.search[l] = {search.prefix * static_cast<Count>(bins) + found.bin, search.need - found.above};
  }
}

// A block a row: how many values are equal to a level's key.
__global__ void equal_kernel(const __grid_constant__ CutBatch work) {
  auto* sums = reinterpret_cast<Count*>(shared_memory());
  const Room room(work.room, work.levels.count, work.rows);
  const auto source = keys_of(work, blockIdx.x);
  for (int l = 0; l < work.levels.count; ++l) {
    const auto search = room.search[l];
    if (search.need == 0) continue;
    Count mine = 0;
    for (int j = static_cast<int>(threadIdx.x); j < work.latents; j += static_cast<int>(blockDim.x)) {
      mine += source.key(j) == search.prefix ? 1 : 0;
    }
    mine = block_sum(mine, sums);
    if (threadIdx.x == 0) room.equal[static_cast<std::int64_t>(l) * work.rows + blockIdx.x] = mine;
  }
}

// A block a level: the row that it ends in, and the latent.
__global__ void end_kernel(const __grid_constant__ CutBatch work) {
  auto* sums = reinterpret_cast<Count*>(shared_memory());
  auto* found = sums + most_warps;  // the row, and what is needed of it
  const Room room(work.room, work.levels.count, work.rows);
  const auto level = static_cast<int>(blockIdx.x);
  const auto search = room.search[level];
  if (search.need == 0) return;
  const auto* equal = room.equal + static_cast<std::int64_t>(level) * work.rows;
  find_in_order(
      work.rows, search.need, sums, [=](int row) { return equal[row]; },
      [=](int row, Count earlier) {
        found[0] = static_cast<Count>(row);
        found[1] = search.need - earlier;
      });
  __syncthreads();
  const auto row = static_cast<std::uint32_t>(found[0]);
  const auto source = keys_of(work, row);
  find_in_order(
      work.latents, found[1], sums, [=](int j) { return Count{source.key(j) == search.prefix}; },
      [&](int j, Count) {
        work.cuts[level] = {static_cast<std::uint32_t>(search.prefix), row,
                            static_cast<std::uint32_t>(j) + 1};
        work.smallest[level] = value_of(search.prefix);
      });
}

}  // namespace

std::int64_t batch_cut_room(int levels, int rows) {
  return top_bins + static_cast<std::int64_t>(levels) * (middle_bins + low_bins + rows) + 1 + 2 * levels;
}

void cut_batch(Stream stream, const CutBatch& work) {
  const auto rows = dim3(static_cast<unsigned>(work.rows));
  const auto block = block_of(row_threads), wide = block_of(find_threads);
  constexpr auto sums = (most_warps + 2) * sizeof(Count);
  const auto bytes = static_cast<std::size_t>(batch_cut_room(work.levels.count, work.rows)) * sizeof(Count);
  const Room room(work.room, work.levels.count, work.rows);
  require(cudaMemsetAsync(work.room, 0, bytes, stream), "memset");
  require(cudaMemsetAsync(room.least, 0xff, sizeof(Count), stream), "memset");
  launch(stream, {rows, block, top_bins * sizeof(unsigned)}, top_kernel, work);
  launch(stream, {dim3(1), wide, sums}, find_top_kernel, work);
  for (const bool lowest : {false, true}) {
    launch(stream, {rows, block}, next_kernel, work, lowest);
    launch(stream, {dim3(1), wide, sums}, find_next_kernel, work, lowest);
  }
  launch(stream, {rows, block, sums}, equal_kernel, work);
  launch(stream, {dim3(static_cast<unsigned>(work.levels.count)), wide, sums}, end_kernel, work);
}

}  // namespace msae::kernels::cuda
