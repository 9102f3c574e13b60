// Where the levels of a row end, found by a block.
#pragma once

#include "kernels/cuda/row_keys.h"

namespace msae::kernels::cuda {

/// Finds cuts by a histogram of the keys, whose bins have the same width in the eight or so powers of two
/// below the greatest of them; what lies lower shares the lowest bin. Those in a bin where a level ends are
/// ranked one by one. Where they are too many, as numbers that are equal may be, the level looks at their
/// bits.
/// \tparam each bins of a thread's own
template <int each>
class RowCuts {
 public:
  /// Numbers of shared memory.
  __host__ __device__ static std::size_t room(int levels, unsigned threads) {
    return static_cast<std::size_t>(most_bins(threads)) + 2 * most_candidates + 2 * most_warps + 6 +
           7 * static_cast<std::size_t>(levels);
  }

  /// \param at [room], aligned to 16 bytes
  __device__ RowCuts(const Levels& levels, const BlockKeys& keys, std::uint32_t* at)
      : levels_(levels), keys_(keys), bins_(each * static_cast<int>(blockDim.x)) {
    const auto take = [&at](std::size_t count) {
      auto* taken = at;
      at += count;
      return taken;
    };
    const auto count = static_cast<std::size_t>(levels.count);
    histogram_ = take(static_cast<std::size_t>(most_bins(blockDim.x)));
    candidate_ = reinterpret_cast<uint2*>(take(2 * most_candidates));
    sums_ = take(2 * most_warps);
    answer_ = reinterpret_cast<Found<std::uint32_t>*>(take(2));
    taken_ = take(4);
    cut_ = reinterpret_cast<Cut*>(take(2 * count));
    bin_ = take(count);
    need_ = take(count);
    begin_ = take(count);
    size_ = take(count);
    filled_ = take(count);
  }

  /// [2 * most_warps] numbers for sums, which nobody else uses outside find().
  __device__ std::uint32_t* sums() const { return sums_; }
  /// [levels], to be set or found.
  __device__ Cut* cuts() const { return cut_; }
  /// [room_of_warp()] for each warp, free when the cuts are there.
  __device__ std::uint32_t* room_of(unsigned of_warp) const {
    return histogram_ + of_warp * static_cast<unsigned>(room_of_warp());
  }
  __device__ static int room_of_warp() { return each * static_cast<int>(warp); }

  /// All threads have to call it, when they have read the keys; the cuts are there after a barrier.
  /// \param greatest of those that the thread has read
  /// \return how many are positive
  __device__ std::uint32_t find(std::uint32_t greatest) {
    for (int i = 0; i < each; ++i)
      histogram_[static_cast<int>(threadIdx.x) + i * static_cast<int>(blockDim.x)] = 0;
    if (threadIdx.x < 3) taken_[threadIdx.x] = 0;
    // So that the bins reach the greatest: a power of two has 1 / 8 of them.
    shift_ = __clz(static_cast<int>(bins_)) - 5;
    lowest_ = max(greatest_of_all(greatest) >> shift_, static_cast<std::uint32_t>(bins_) - 1) -
              (static_cast<std::uint32_t>(bins_) - 1);
    keys_.for_own([this](int first) {
      std::uint32_t key[group];
      keys_.get(first, key);
#pragma unroll
      for (int i = 0; i < group; ++i) {
        if (key[i] != 0) atomicAdd(&histogram_[bin_of(key[i])], 1u);
      }
    });
    __syncthreads();
    const auto positive = find_bins();
    __syncthreads();
    if (taken_[0] == 0) return positive;  // every level ends between two bins
    collect();
    __syncthreads();
    rank_candidates();
    if (taken_[2] != 0) {
      __syncthreads();
      for (int l = 0; l < levels_.count; ++l) {
        if (need_[l] != 0 && size_[l] == 0) look_at_bits(l);
      }
    }
    return positive;
  }

 private:
  // As many numbers are ranked one by one at most, of all bins together.
  static constexpr std::uint32_t most_candidates = 512;
  static constexpr std::uint32_t ends_here = 0x80000000u;
  static constexpr int digit_bits = 8, digits = 1 << digit_bits, latent_bits = 20;
  static_assert(most_latents <= std::int64_t{1} << latent_bits && max_levels <= 1 << (32 - latent_bits));

  __host__ __device__ static int most_bins(unsigned threads) {
    const int own = each * static_cast<int>(threads);
    return own > digits ? own : digits;
  }

  __device__ std::uint32_t bin_of(std::uint32_t key) const {
    return max(key >> shift_, lowest_) - lowest_;
  }

  // A barrier, too.
  __device__ std::uint32_t greatest_of_all(std::uint32_t own) {
    own = warp_most(own);
    if (lane() == 0) sums_[warp_of_block()] = own;
    __syncthreads();
    for (unsigned w = 0; w < warps_of_block(); ++w) own = max(own, sums_[w]);
    return own;
  }

  // From the highest of a thread's bins down.
  __device__ void own_counts(int highest, std::uint32_t (&count)[each]) const {
    constexpr int pair = 2;
    static_assert(each % pair == 0);
#pragma unroll
    for (int i = 0; i < each; i += pair) {
      const auto two = *reinterpret_cast<const uint2*>(histogram_ + highest - i - 1);
      count[i] = two.y;
      count[i + 1] = two.x;
    }
  }

  // The bins in which levels end, and how many of theirs they need; none where a level ends with its bin.
  __device__ std::uint32_t find_bins() {
    const int highest = bins_ - 1 - static_cast<int>(threadIdx.x) * each;
    std::uint32_t count[each], mine = 0, total = 0;
    own_counts(highest, count);
#pragma unroll
    for (int i = 0; i < each; ++i) mine += count[i];
    const auto above = sum_before(mine, sums_, total);
    int opened = -1;  // the bin that has been, of this thread's, and whether it has found room
    bool fits = false;
    for (int l = 0; l < levels_.count; ++l) {
      const auto keep = levels_.keep[l];
      if (keep == 0 || keep >= total) {
        if (threadIdx.x == 0) settle(l, {keep == 0 ? ~0u : 0u, 0});
        continue;
      }
      if (keep <= above || keep > above + mine) continue;
      std::uint32_t upto = above, before = above, size = 0;
      int bin = highest;
#pragma unroll
      for (int i = 0; i < each; ++i) {
        if (upto >= keep) continue;
        before = upto;
        size = count[i];
        bin = highest - i;
        upto += size;
      }
      if (upto == keep) {  // it is not the lowest bin: not all are kept
        settle(l, {((lowest_ + static_cast<std::uint32_t>(bin)) << shift_) - 1, 0});
        continue;
      }
      need_[l] = keep - before;
      bin_[l] = static_cast<std::uint32_t>(bin);
      filled_[l] = 0;
      if (bin == opened) {
        begin_[l] = begin_[l - 1];
        size_[l] = size_[l - 1];
        continue;
      }
      opened = bin;
      begin_[l] = atomicAdd(&taken_[0], size);
      fits = begin_[l] + size <= most_candidates;
      size_[l] = fits ? size : 0;
      if (fits) {
        histogram_[bin] = ends_here | static_cast<std::uint32_t>(l);
        atomicMax(&taken_[1], begin_[l] + size);
      } else {
        atomicOr(&taken_[2], 1u);
      }
    }
    return total;
  }

  __device__ void settle(int level, Cut cut) {
    cut_[level] = cut;
    need_[level] = 0;
    bin_[level] = ~0u;
  }

  __device__ void collect() {
    keys_.for_own([this](int first) {
      std::uint32_t key[group];
      keys_.get(first, key);
#pragma unroll
      for (int i = 0; i < group; ++i) {
        if (key[i] == 0) continue;
        const auto bin = histogram_[bin_of(key[i])];
        if ((bin & ends_here) == 0) continue;
        const auto level = bin & ~ends_here;
        candidate_[begin_[level] + atomicAdd(&filled_[level], 1u)] =
            make_uint2(key[i], level << latent_bits | static_cast<std::uint32_t>(first + i));
      }
    });
  }

  // Each candidate counts those of its bin that come before it.
  __device__ void rank_candidates() {
    const auto count = taken_[1];
    for (auto i = threadIdx.x; i < count; i += blockDim.x) {
      const auto own = candidate_[i];
      const auto level = own.y >> latent_bits, bin = bin_[level];
      const auto begin = begin_[level], end = begin + size_[level];
      std::uint32_t rank = 1, equal = 0;
      for (auto m = begin; m < end; ++m) {
        const auto other = candidate_[m];
        rank += other.x > own.x || (other.x == own.x && other.y < own.y) ? 1 : 0;
        equal += other.x == own.x ? 1 : 0;
      }
      const auto latent = own.y & ((1u << latent_bits) - 1);
      // Without others that are equal, the latent need not be looked at.
      const Cut cut = equal == 1 ? Cut{own.x - 1, 0} : Cut{own.x, latent + 1};
      for (int l = static_cast<int>(level); l < levels_.count; ++l) {
        if (need_[l] == rank && bin_[l] == bin) cut_[l] = cut;
      }
    }
  }

  // Where a level ends among the many of its bin.
  __device__ void look_at_bits(int level) {
    const auto bin = bin_[level];
    auto need = need_[level];
    std::uint32_t found = 0;  // of the key, from the top
    for (int shift = 32 - digit_bits; shift >= 0; shift -= digit_bits) {
      const auto digit = find_digit(need, [&](std::uint32_t key) {
        const bool known = shift == 32 - digit_bits || key >> (shift + digit_bits) == found;
        return key != 0 && known && bin_of(key) == bin ? static_cast<int>(key >> shift & (digits - 1)) : -1;
      });
      need -= digit.above;
      found = found << digit_bits | digit.bin;
    }
    // Those that are equal come by latent.
    find_in_order(
        keys_.width(), need, sums_, [&](int j) { return keys_.get(j) == found ? 1u : 0u; },
        [&](int j, std::uint32_t) {
          cut_[level] = {found, static_cast<std::uint32_t>(j) + 1};
        });
    __syncthreads();
  }

  // In a histogram of its own, of the keys that have a digit.
  template <typename Digit>
  __device__ Found<std::uint32_t> find_digit(std::uint32_t rank, Digit digit_of) {
    for (auto i = threadIdx.x; i < digits; i += blockDim.x) histogram_[i] = 0;
    __syncthreads();
    keys_.for_own([&](int first) {
      std::uint32_t key[group];
      keys_.get(first, key);
#pragma unroll
      for (int i = 0; i < group; ++i) {
        const int digit = digit_of(key[i]);
        if (digit >= 0) atomicAdd(&histogram_[digit], 1u);
      }
    });
    __syncthreads();
    return find_rank(histogram_, digits, rank, sums_, answer_);
  }

  const Levels& levels_;
  const BlockKeys keys_;
  const int bins_;
  int shift_ = 0;
  std::uint32_t lowest_ = 0;  // what keys of the first bin begin with
  std::uint32_t* histogram_;  // [most_bins]
  uint2* candidate_;          // [most_candidates]: the key, and the latent with the level before it
  std::uint32_t* sums_;       // [2 * most_warps]
  Found<std::uint32_t>* answer_;
  std::uint32_t* taken_;   // how many are in bins where levels end, are ranked, and whether some are too many
  Cut* cut_;               // [levels]
  std::uint32_t* bin_;     // [levels]
  std::uint32_t* need_;    // [levels]: of the bin's, 0 where that is settled
  std::uint32_t* begin_;   // [levels], where the candidates of its bin are
  std::uint32_t* size_;    // [levels], of these; 0 where they are too many
  std::uint32_t* filled_;  // [levels], of the first level that ends in the bin
};

}  // namespace msae::kernels::cuda
