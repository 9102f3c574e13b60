#include "kernels/cuda/select.h"

#include "kernels/cuda/ranking.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned few_threads = 256, many_threads = 1024;
// Latents of a warp come in so many: eight of each lane.
constexpr int stretch = static_cast<int>(warp) * group;
// Entries in the bins that levels end in; of more, each level looks on its own.
constexpr std::uint32_t most_candidates = 512;
constexpr std::uint32_t ends_here = 0x80000000u;

std::size_t shared_bytes(const Levels& levels, unsigned block) {
  const auto count = static_cast<std::size_t>(levels.count);
  const std::size_t numbers =
      2 * most_warps + top_bins + 2 * most_candidates + 4 + 6 * count + count * (block / warp);
  return numbers * sizeof(std::uint32_t) + 16;
}

// One block's work on one row.
template <typename F>
class RowSelection {
 public:
  __device__ RowSelection(const Select<F>& work, bool cached)
      : work_(work),
        row_(blockIdx.x),
        width_(static_cast<int>(padded(work.latents))),
        source_{work.pre + row_ * width_, work.bias, work.wanted, work.latents} {
    auto* at = reinterpret_cast<std::uint32_t*>(shared_memory());
    const auto take = [&at](std::size_t count) {
      auto* taken = at;
      at += count;
      return taken;
    };
    keys_ = cached ? take(static_cast<std::size_t>(width_)) : nullptr;  // in front: it is read by 16 bytes
    room_ = take(2 * most_warps);
    histogram_ = take(top_bins);
    candidate_key_ = take(most_candidates);
    candidate_latent_ = take(most_candidates);
    candidates_ = take(2);
    answer_ = reinterpret_cast<Found<std::uint32_t>*>(take(2));
    const auto levels = static_cast<std::size_t>(work.levels.count);
    cut_ = reinterpret_cast<Cut*>(take(2 * levels));
    bin_ = take(levels);
    need_ = take(levels);
    total_ = take(2 * levels);
    count_ = take(levels * warps_of_block());
    const int stretches = (width_ + stretch - 1) / stretch;
    const int each =
        (stretches + static_cast<int>(warps_of_block()) - 1) / static_cast<int>(warps_of_block());
    first_ = min(static_cast<int>(warp_of_block()) * each * stretch, width_);
    last_ = min(first_ + each * stretch, width_);
  }

  __device__ void run() {
    if (work_.cuts) {
      take_keys([](std::uint32_t) {});
      for (int l = thread(); l < levels(); l += block()) {
        cut_[l] = work_.cuts[l].of(static_cast<std::uint32_t>(row_));
      }
      __syncthreads();
    } else {
      cut();
    }
    assign();
    list();
  }

 private:
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int block() { return static_cast<int>(blockDim.x); }
  __device__ int levels() const { return work_.levels.count; }
  // [levels], a warp's own.
  __device__ std::uint32_t* count_of(unsigned of_warp) const {
    return count_ + of_warp * static_cast<unsigned>(levels());
  }

  __device__ std::uint32_t key(int j) const { return keys_ ? keys_[j] : source_.key(j); }

  __device__ void keys(int first, std::uint32_t (&out)[group]) const {
    if (!keys_) return source_.keys(first, out);
#pragma unroll
    for (int i = 0; i < group; i += 4) {
      const auto four = *reinterpret_cast<const uint4*>(keys_ + first + i);
      out[i] = four.x;
      out[i + 1] = four.y;
      out[i + 2] = four.z;
      out[i + 3] = four.w;
    }
  }

  // Reads the row for the first time.
  template <typename Use>
  __device__ void take_keys(Use use) {
    for (int first = thread() * group; first < width_; first += block() * group) {
      std::uint32_t key[group];
      source_.keys(first, key);
      if (keys_) {
        auto* to = reinterpret_cast<uint4*>(keys_ + first);
        to[0] = make_uint4(key[0], key[1], key[2], key[3]);
        to[1] = make_uint4(key[4], key[5], key[6], key[7]);
      }
#pragma unroll
      for (int i = 0; i < group; ++i) use(key[i]);
    }
  }

  // Where the levels end.
  __device__ void cut() {
    for (int i = thread(); i < top_bins; i += block()) histogram_[i] = 0;
    if (thread() == 0) candidates_[0] = candidates_[1] = 0;
    __syncthreads();
    take_keys([this](std::uint32_t key) {
      if (key != 0) atomicAdd(&histogram_[top_of(key)], 1u);
    });
    __syncthreads();
    find_bins();
    __syncthreads();
    if (candidates_[1] == 0) return;  // every level ends between two bins
    for (int l = thread(); l < levels(); l += block()) {
      if (need_[l] != 0) atomicOr(&histogram_[bin_[l]], ends_here);
    }
    __syncthreads();
    collect();
    __syncthreads();
    if (candidates_[0] <= most_candidates) {
      rank_candidates();
    } else {
      for (int l = 0; l < levels(); ++l) {
        if (need_[l] != 0) refine(l);
      }
    }
    __syncthreads();
  }

  // The bins in which levels end, and how many of theirs they need; none where a level ends with its bin.
  __device__ void find_bins() {
    const int each = (top_bins + block() - 1) / block();
    const int begin = thread() * each, end = min(begin + each, top_bins);
    std::uint32_t mine = 0, total = 0;
    for (int i = begin; i < end; ++i) mine += histogram_[top_bins - 1 - i];
    const auto above = sum_before(mine, room_, total);
    positive_ = total;
    for (int l = 0; l < levels(); ++l) {
      const auto keep = work_.levels.keep[l];
      if (keep == 0 || keep >= total) {
        if (thread() != 0) continue;
        need_[l] = 0;
        cut_[l] = {keep == 0 ? ~0u : 0u, 0};
      } else if (above < keep && keep <= above + mine) {
        auto so_far = above;
        int i = begin;
        while (so_far + histogram_[top_bins - 1 - i] < keep) so_far += histogram_[top_bins - 1 - i++];
        const auto bin = static_cast<std::uint32_t>(top_bins - 1 - i);
        const bool whole = so_far + histogram_[bin] == keep;
        bin_[l] = bin;
        need_[l] = whole ? 0 : keep - so_far;
        if (whole) {
          cut_[l] = {bin == 0 ? 0 : (bin << (middle_bits + low_bits)) - 1, 0};
        } else {
          atomicOr(&candidates_[1], 1u);
        }
      }
    }
  }

  __device__ void collect() {
    for (int first = thread() * group; first < width_; first += block() * group) {
      std::uint32_t key[group];
      keys(first, key);
#pragma unroll
      for (int i = 0; i < group; ++i) {
        if (key[i] == 0 || (histogram_[top_of(key[i])] & ends_here) == 0) continue;
        const auto at = atomicAdd(&candidates_[0], 1u);
        if (at >= most_candidates) continue;
        candidate_key_[at] = key[i];
        candidate_latent_[at] = static_cast<std::uint32_t>(first + i);
      }
    }
  }

  // Each candidate counts those of its bin that come before it.
  __device__ void rank_candidates() {
    const auto count = candidates_[0];
    for (auto i = threadIdx.x; i < count; i += blockDim.x) {
      const auto key = candidate_key_[i], latent = candidate_latent_[i], bin = top_of(key);
      std::uint32_t rank = 0;
      for (std::uint32_t m = 0; m < count; ++m) {
        const auto other = candidate_key_[m];
        if (top_of(other) != bin) continue;
        rank += other > key || (other == key && candidate_latent_[m] < latent) ? 1 : 0;
      }
      for (int l = 0; l < levels(); ++l) {
        if (need_[l] == rank + 1 && bin_[l] == bin) cut_[l] = {key, latent + 1};
      }
    }
  }

  // Where a level ends among the many of its bin.
  __device__ void refine(int level) {
    const auto bin = bin_[level];
    auto need = need_[level];
    const auto middle = find(need, middle_bins, [=](std::uint32_t key) {
      return key != 0 && top_of(key) == bin ? static_cast<int>(middle_of(key)) : -1;
    });
    need -= middle.above;
    const auto low = find(need, low_bins, [=](std::uint32_t key) {
      return key != 0 && top_of(key) == bin && middle_of(key) == middle.bin ? static_cast<int>(low_of(key))
                                                                            : -1;
    });
    need -= low.above;
    const auto cut_key = (bin << middle_bits | middle.bin) << low_bits | low.bin;
    // Those that are equal come by latent.
    find_in_order(
        width_, need, room_, [&](int j) { return key(j) == cut_key ? 1u : 0u; },
        [&](int j, std::uint32_t) {
          cut_[level] = {cut_key, static_cast<std::uint32_t>(j) + 1};
        });
    __syncthreads();
  }

  // A histogram of its own, of the keys that have a bin.
  template <typename Bin>
  __device__ Found<std::uint32_t> find(std::uint32_t rank, int bins, Bin bin_of) {
    for (int i = thread(); i < bins; i += block()) histogram_[i] = 0;
    __syncthreads();
    for (int j = thread(); j < width_; j += block()) {
      const int bin = bin_of(key(j));
      if (bin >= 0) atomicAdd(&histogram_[bin], 1u);
    }
    __syncthreads();
    return find_rank(histogram_, bins, rank, room_, answer_);
  }

  // Each level keeps what those before it keep, so the last one's cut says whether there is a level at all.
  __device__ int level_of(std::uint32_t key, int j) const {
    const auto kept = [&](int level) { return keeps(cut_[level], key, static_cast<std::uint32_t>(j)); };
    if (key == 0 || !kept(levels() - 1)) return -1;
    int level = 0;
    while (!kept(level)) ++level;
    return level;
  }

  __device__ float latent_of(std::uint32_t key) const {
    const auto value = __uint_as_float(key);
    return work_.soft_cap > 0 ? work_.soft_cap * tanhf(value / work_.soft_cap) : value;
  }

  // Writes the matrices, and counts what goes into the lists; each warp has a part of the row.
  __device__ void assign() {
    auto* count = count_of(warp_of_block());
    for (int l = static_cast<int>(lane()); l < levels(); l += static_cast<int>(warp)) count[l] = 0;
    __syncwarp();
    float sum = 0;
    for (int first = first_ + static_cast<int>(lane()) * group; first < last_; first += stretch) {
      std::uint32_t key[group];
      keys(first, key);
      std::uint8_t slot[group];
      Eight value;
#pragma unroll
      for (int i = 0; i < group; ++i) {
        const int level = level_of(key[i], first + i);
        slot[i] = level < 0 ? no_level : work_.levels.slot[level];
        value.v[i] = level < 0 ? 0 : latent_of(key[i]);
        sum += value.v[i];
        if (level >= 0 && (work_.cuts || !work_.levels.is_dense(level))) atomicAdd(&count[level], 1u);
      }
      write(first, slot, value);
    }
    if (work_.sum) {
      sum = block_sum(sum, reinterpret_cast<float*>(room_));
      if (thread() == 0) work_.sum[row_] = sum;
    }
    __syncthreads();
  }

  __device__ void write(int first, const std::uint8_t (&slot)[group], const Eight& value) {
    const auto at = row_ * width_ + first;
    const auto matrix = static_cast<std::int64_t>(work_.rows) * width_;
    for (int d = 0; d < work_.levels.dense; ++d) {
      Eight own;
#pragma unroll
      for (int i = 0; i < group; ++i) own.v[i] = slot[i] == d ? value.v[i] : 0;
      store(work_.dense + d * matrix + at, own);
    }
    if (!work_.slot) return;
    std::uint32_t word[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < group; ++i) word[i / 4] |= static_cast<std::uint32_t>(slot[i]) << i % 4 * 8;
    *reinterpret_cast<uint2*>(work_.slot + at) = make_uint2(word[0], word[1]);
  }

  // Writes the lists, in the order of the latents.
  __device__ void list() {
    for (int l = thread(); l < levels(); l += block()) {
      std::uint32_t total = 0;
      for (unsigned w = 0; w < warps_of_block(); ++w) total += count_of(w)[l];
      const bool listed = !work_.levels.is_dense(l);
      total_[l] = listed ? total : 0;
      const auto upto = [&](int level) { return min(work_.levels.keep[level], positive_); };
      const bool counted = listed || work_.cuts;
      work_.kept[row_ * levels() + l] = counted ? total : upto(l) - (l > 0 ? upto(l - 1) : 0);
    }
    __syncthreads();
    auto* begin = total_ + levels();
    if (thread() == 0) {
      std::uint32_t at = 0;
      auto* to = work_.entries.begin + row_ * (levels() + 1);
      for (int l = 0; l < levels(); ++l) {
        begin[l] = to[l] = at;
        at += total_[l];
      }
      to[levels()] = at;
    }
    __syncthreads();
    for (int l = thread(); l < levels(); l += block()) {
      auto at = begin[l];
      for (unsigned w = 0; w < warps_of_block(); ++w) {
        auto& place = count_of(w)[l];
        const auto count = place;
        place = at;
        at += count;
      }
    }
    __syncthreads();
    if (begin[levels() - 1] + total_[levels() - 1] == 0) return;
    auto* place = count_of(warp_of_block());
    for (int first = first_; first < last_; first += static_cast<int>(warp)) {
      const int j = first + static_cast<int>(lane());
      const auto own = j < last_ ? key(j) : 0;
      const int level = level_of(own, j);
      const bool listed = level >= 0 && !work_.levels.is_dense(level);
      auto left = __ballot_sync(all_lanes, listed);
      while (left != 0) {
        const int one = __shfl_sync(all_lanes, level, __ffs(static_cast<int>(left)) - 1);
        const auto same = __ballot_sync(all_lanes, listed && level == one);
        if (listed && level == one) {
          const auto at = row_ * work_.entries.capacity + place[one] + __popc(before(same));
          work_.entries.latent[at] = static_cast<std::uint32_t>(j);
          work_.entries.value[at] = latent_of(own);
        }
        __syncwarp();
        if (lane() == 0) place[one] += static_cast<std::uint32_t>(__popc(same));
        __syncwarp();
        left &= ~same;
      }
    }
  }

  const Select<F>& work_;
  const std::int64_t row_;
  const int width_;
  const RowKeys source_;
  std::uint32_t* keys_;              // [width], or null: they are made anew each time
  std::uint32_t* room_;              // [2 * most_warps]
  std::uint32_t* histogram_;         // [top_bins]
  std::uint32_t* candidate_key_;     // [most_candidates]
  std::uint32_t* candidate_latent_;  // [most_candidates]
  std::uint32_t* candidates_;        // [2]: how many, and whether any are needed
  Found<std::uint32_t>* answer_;
  Cut* cut_;              // [levels]
  std::uint32_t* bin_;    // [levels]
  std::uint32_t* need_;   // [levels]: of the bin's, 0 where that is settled
  std::uint32_t* total_;  // [2 * levels]: entries, and where they begin
  std::uint32_t* count_;  // [warps, levels]: entries, then places
  std::uint32_t positive_ = 0;
  int first_, last_;  // latents of this warp
};

template <typename F>
__global__ void __launch_bounds__(many_threads)
    select_kernel(const __grid_constant__ Select<F> work, bool cached) {
  RowSelection<F>(work, cached).run();
}

// The more of a multiprocessor's shared memory a block takes, the fewer there are on it: those get more
// threads.
unsigned threads_with(std::size_t shared) {
  constexpr std::size_t a_quarter = 56 * 1024, a_half = 112 * 1024;
  return shared <= a_quarter ? few_threads : shared <= a_half ? 2 * few_threads : many_threads;
}

}  // namespace

template <typename F>
void select(Stream stream, const Select<F>& work) {
  const auto row = static_cast<std::size_t>(padded(work.latents)) * sizeof(std::uint32_t);
  const auto with_row = shared_bytes(work.levels, many_threads) + row;
  const bool cached = with_row <= most_shared();
  const auto block = block_of(threads_with(cached ? with_row : 0));
  const auto shared = shared_bytes(work.levels, block) + (cached ? row : 0);
  launch(stream, {dim3(static_cast<unsigned>(work.rows)), block, shared}, select_kernel<F>, work, cached);
}

template void select(Stream, const Select<float>&);
template void select(Stream, const Select<bfloat16>&);

}  // namespace msae::kernels::cuda
