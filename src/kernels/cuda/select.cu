#include "kernels/cuda/select.h"

#include "kernels/cuda/row_cuts.h"

namespace msae::kernels::cuda {
namespace {

// Of a block. Their bins are as many: rows of more latents have more in each, which still are few.
constexpr unsigned few_threads = 256, more_threads = 512, many_threads = 768;
template <unsigned threads>
constexpr int bins_each = static_cast<int>(2048 / threads);
// Blocks of a multiprocessor at least, for which registers have to do.
template <unsigned threads>
constexpr int blocks_at_once = threads == few_threads ? 4 : (threads == more_threads ? 2 : 1);

// The parts of a block's shared memory.
template <int each>
struct SelectRoom {
  std::size_t keys, cuts, places;  // numbers of each, one after the other

  __host__ __device__ SelectRoom(const Levels& levels, unsigned threads, std::size_t width)
      : keys(width),
        cuts((RowCuts<each>::room(levels.count, threads) + 3) / 4 * 4),
        places(static_cast<std::size_t>(levels.count) * (threads / warp + 2)) {}
  std::size_t bytes() const { return (keys + cuts + places) * sizeof(std::uint32_t); }
};

// One block's work on one row.
template <typename F, int each>
class RowSelection {
 public:
  __device__ RowSelection(const Select<F>& work, const SelectRoom<each>& room)
      : work_(work),
        row_(blockIdx.x),
        width_(static_cast<int>(padded(work.latents))),
        keys_({work.pre + row_ * width_, work.bias, work.wanted, work.latents},
              room.keys == 0 ? nullptr : numbers(), width_),
        cuts_(work.levels, keys_, numbers() + room.keys),
        total_(numbers() + room.keys + room.cuts),
        begin_(total_ + work.levels.count),
        count_(begin_ + work.levels.count + warp_of_block() * static_cast<unsigned>(work.levels.count)),
        note_(cuts_.room_of(warp_of_block())) {}

  __device__ void run() {
    const auto greatest = keys_.read();
    for (int l = static_cast<int>(lane()); l < levels(); l += static_cast<int>(warp)) count_[l] = 0;
    if (work_.cuts) {
      for (int l = thread(); l < levels(); l += block()) cuts_.cuts()[l] = cut_of_batch(l);
    } else {
      positive_ = cuts_.find(greatest);
    }
    __syncthreads();
    for (; ending_ < levels() && cuts_.cuts()[ending_].key != 0; ++ending_) {
      among_equals_ |= cuts_.cuts()[ending_].end != 0;
    }
    assign();
    __syncthreads();
    place();
    __syncthreads();
    list();
  }

 private:
  static constexpr int latent_bits = 20;

  __device__ static std::uint32_t* numbers() { return reinterpret_cast<std::uint32_t*>(shared_memory()); }
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int block() { return static_cast<int>(blockDim.x); }
  __device__ int levels() const { return work_.levels.count; }

  __device__ Cut cut_of_batch(int level) const {
    const auto cut = work_.cuts[level].of(static_cast<std::uint32_t>(row_));
    const bool all_equal_ones = cut.end == ~0u && cut.key != 0;
    return all_equal_ones ? Cut{cut.key - 1, 0} : cut;
  }

  // The slots of eight latents' levels, the first ones that keep them. From the first level on that keeps all
  // that is positive, there is nothing left to keep.
  __device__ void slots_of(int first, const std::uint32_t (&key)[group], unsigned (&slot)[group]) const {
    const unsigned rest = ending_ < levels() ? work_.levels.slot[ending_] : no_level;
#pragma unroll
    for (int i = 0; i < group; ++i) slot[i] = key[i] != 0 ? rest : no_level;
    for (int l = ending_ - 1; l >= 0; --l) {
      const auto cut = cuts_.cuts()[l];
      const unsigned own = work_.levels.slot[l];
      if (among_equals_) {
#pragma unroll
        for (int i = 0; i < group; ++i) {
          if (keeps(cut, key[i], static_cast<std::uint32_t>(first + i))) slot[i] = own;
        }
      } else {
#pragma unroll
        for (int i = 0; i < group; ++i) slot[i] = key[i] > cut.key ? own : slot[i];
      }
    }
  }

  __device__ unsigned slot_of(int j) const {
    const auto key = keys_.get(j);
    if (key == 0) return no_level;
    for (int l = 0; l < ending_; ++l) {
      if (keeps(cuts_.cuts()[l], key, static_cast<std::uint32_t>(j))) return work_.levels.slot[l];
    }
    return ending_ < levels() ? work_.levels.slot[ending_] : no_level;
  }

  __device__ bool is_listed(unsigned slot) const {
    return slot - static_cast<unsigned>(work_.levels.dense) <
           static_cast<unsigned>(levels() - work_.levels.dense);
  }

  __device__ float latent_of(std::uint32_t key) const {
    const auto value = __uint_as_float(key);
    if (work_.soft_cap > 0) return work_.soft_cap * tanhf(value / work_.soft_cap);
    return value;
  }

  // Writes the matrices, counts what levels keep, and notes what goes into the lists.
  __device__ void assign() {
    const bool lists = work_.levels.dense < levels();
    float sum = 0;
    keys_.for_own_together([&](int first, bool inside) {
      std::uint32_t key[group];
      unsigned slot[group], listed = 0;
      if (inside) {
        keys_.get(first, key);
        slots_of(first, key, slot);
        Eight value;
#pragma unroll
        for (int i = 0; i < group; ++i) {
          value.v[i] = slot[i] == no_level ? 0 : __uint_as_float(key[i]);
          listed |= is_listed(slot[i]) ? 1u << i : 0;
        }
        if (work_.soft_cap > 0) {
          for (int i = 0; i < group; ++i) value.v[i] = latent_of(__float_as_uint(value.v[i]));
        }
        if (work_.sum) {
#pragma unroll
          for (int i = 0; i < group; ++i) sum += value.v[i];
        }
        if (work_.cuts) {
#pragma unroll
          for (int i = 0; i < group; ++i) {
            if (slot[i] != no_level && (listed >> i & 1) == 0) atomicAdd(&count_[slot[i]], 1u);
          }
        }
        write(first, slot, value);
      }
      if (lists) note(first, slot, listed);
    });
    if (!work_.sum) return;
    sum = block_sum(sum, reinterpret_cast<float*>(cuts_.sums()));
    if (thread() == 0) work_.sum[row_] = sum;
  }

  __device__ void write(int first, const unsigned (&slot)[group], const Eight& value) const {
    const auto at = row_ * width_ + first;
    const auto matrix = static_cast<std::int64_t>(work_.rows) * width_;
    auto* dense = work_.dense + at;
    for (unsigned d = 0; d < static_cast<unsigned>(work_.levels.dense); ++d, dense += matrix) {
      Eight own;
#pragma unroll
      for (int i = 0; i < group; ++i) own.v[i] = slot[i] == d ? value.v[i] : 0;
      store(dense, own);
    }
    if (!work_.slot) return;
    unsigned word[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < group; ++i) word[i / 4] |= slot[i] << i % 4 * 8;
    *reinterpret_cast<uint2*>(work_.slot + at) = make_uint2(word[0], word[1]);
  }

  // Notes which of eight latents are listed, in the order of the latents, as far as the warp has room.
  __device__ void note(int first, const unsigned (&slot)[group], unsigned listed) {
    if (__ballot_sync(all_lanes, listed != 0) == 0) return;
    const int own = __popc(listed), upto = sum_upto(own);
    int at = noted_ + upto - own;
    noted_ += __shfl_sync(all_lanes, upto, static_cast<int>(warp) - 1);
    if (listed == 0) return;
#pragma unroll
    for (int i = 0; i < group; ++i) {
      if ((listed >> i & 1) == 0) continue;
      atomicAdd(&count_[slot[i]], 1u);
      if (at < RowCuts<each>::room_of_warp())
        note_[at] = slot[i] << latent_bits | static_cast<unsigned>(first + i);
      ++at;
    }
  }

  // Where the entries of each warp and level go: counts become places.
  __device__ void place() {
    for (int l = thread(); l < levels(); l += block()) {
      const auto slot = work_.levels.slot[l];
      auto* count = begin_ + levels() + slot;
      std::uint32_t total = 0;
      for (unsigned w = 0; w < warps_of_block(); ++w, count += levels()) {
        total += *count;
        *count = total - *count;
      }
      const bool listed = is_listed(slot);
      total_[l] = listed ? total : 0;
      const auto upto = [&](int level) { return min(work_.levels.keep[level], positive_); };
      const bool counted = listed || work_.cuts;
      work_.kept[row_ * levels() + l] = counted ? total : upto(l) - (l > 0 ? upto(l - 1) : 0);
    }
    __syncthreads();
    for (int l = thread(); l <= levels(); l += block()) {
      std::uint32_t begin = 0;
      for (int m = 0; m < l; ++m) begin += total_[m];
      work_.entries.begin[row_ * (levels() + 1) + l] = begin;
      if (l < levels()) begin_[work_.levels.slot[l]] = begin;
    }
  }

  // Writes the lists, in the order of the latents: those noted, or all over again where they were too many.
  __device__ void list() {
    if (noted_ <= RowCuts<each>::room_of_warp()) {
      for (int first = 0; first < noted_; first += static_cast<int>(warp)) {
        const int own = first + static_cast<int>(lane());
        const auto noted = own < noted_ ? note_[own] : 0;
        put(own < noted_, noted >> latent_bits, noted & ((1u << latent_bits) - 1));
      }
      return;
    }
    for (int first = keys_.begin(); first < keys_.end(); first += static_cast<int>(warp)) {
      const int j = first + static_cast<int>(lane());
      const auto slot = j < keys_.end() ? slot_of(j) : no_level;
      put(is_listed(slot), slot, static_cast<std::uint32_t>(j));
    }
  }

  // Entries of a warp, one of each lane at most, in their order.
  __device__ void put(bool listed, unsigned slot, std::uint32_t latent) {
    auto left = __ballot_sync(all_lanes, listed);
    while (left != 0) {
      const auto one = __shfl_sync(all_lanes, slot, __ffs(static_cast<int>(left)) - 1);
      const bool own = listed && slot == one;
      const auto same = __ballot_sync(all_lanes, own);
      if (own) {
        const auto at = row_ * work_.entries.capacity + begin_[one] + count_[one] +
                        static_cast<unsigned>(__popc(before(same)));
        work_.entries.latent[at] = latent;
        work_.entries.value[at] = latent_of(keys_.get(static_cast<int>(latent)));
      }
      __syncwarp();
      if (lane() == 0) count_[one] += static_cast<unsigned>(__popc(same));
      __syncwarp();
      left &= ~same;
    }
  }

  const Select<F>& work_;
  const std::int64_t row_;
  const int width_;
  BlockKeys keys_;
  RowCuts<each> cuts_;
  std::uint32_t* total_;        // [levels], entries in lists
  std::uint32_t* begin_;        // [slots], where a level's are in the row
  std::uint32_t* count_;        // [slots], of this warp: entries, then places behind `begin_`
  std::uint32_t* note_;         // [room_of_warp], of this warp
  int noted_ = 0, ending_ = 0;  // levels that end above something positive
  bool among_equals_ = false;   // one of them does between latents that have the same value
  std::uint32_t positive_ = 0;
};

template <typename F, unsigned threads>
__global__ void __launch_bounds__(threads, blocks_at_once<threads>)
    select_kernel(const __grid_constant__ Select<F> work, bool cached) {
  const auto width = cached ? static_cast<std::size_t>(padded(work.latents)) : 0;
  RowSelection<F, bins_each<threads>>(work, {work.levels, blockDim.x, width}).run();
}

template <typename F, unsigned threads>
SelectRoom<bins_each<threads>> room_of(const Select<F>& work, bool cached) {
  return {work.levels, block_of(threads), cached ? static_cast<std::size_t>(padded(work.latents)) : 0};
}

template <typename F, unsigned threads>
void select_by(Stream stream, const Select<F>& work, bool cached) {
  launch(
      stream,
      {dim3(static_cast<unsigned>(work.rows)), block_of(threads), room_of<F, threads>(work, cached).bytes()},
      select_kernel<F, threads>, work, cached);
}

}  // namespace

// The more of a multiprocessor's shared memory a row takes, the fewer there are on it: those get more
// threads.
template <typename F>
void select(Stream stream, const Select<F>& work) {
  constexpr std::size_t a_quarter = 56 * 1024, a_half = 113 * 1024;
  if (room_of<F, many_threads>(work, true).bytes() > most_shared()) {
    return select_by<F, few_threads>(stream, work, false);
  }
  if (room_of<F, few_threads>(work, true).bytes() <= a_quarter) {
    return select_by<F, few_threads>(stream, work, true);
  }
  if (room_of<F, more_threads>(work, true).bytes() <= a_half) {
    return select_by<F, more_threads>(stream, work, true);
  }
  select_by<F, many_threads>(stream, work, true);
}

template void select(Stream, const Select<float>&);
template void select(Stream, const Select<bfloat16>&);

}  // namespace msae::kernels::cuda
