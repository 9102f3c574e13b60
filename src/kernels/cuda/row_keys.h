// The keys of a block's row: read once, and kept where shared memory has room for them.
#pragma once

#include "kernels/cuda/ranking.h"

namespace msae::kernels::cuda {

/// A thread takes eight keys that are next to each other, a warp so many; each warp has a part of the row.
inline constexpr int stretch = static_cast<int>(warp) * group;

class BlockKeys {
 public:
  /// \param room [width], or null: the keys are made anew each time
  __device__ BlockKeys(const RowKeys& source, std::uint32_t* room, int width)
      : source_(source), width_(width), low_(room), high_(room ? room + width / 2 : nullptr) {
    const int warps = static_cast<int>(warps_of_block());
    const int each = ((width + stretch - 1) / stretch + warps - 1) / warps * stretch;
    begin_ = min(static_cast<int>(warp_of_block()) * each, width);
    end_ = min(begin_ + each, width);
  }

  __device__ int width() const { return width_; }
  /// The warp's part.
  __device__ int begin() const { return begin_; }
  __device__ int end() const { return end_; }

  /// What this thread takes of the row, by eight.
  template <typename Use>
  __device__ void for_own(Use use) const {
    for (int first = begin_ + static_cast<int>(lane()) * group; first < end_; first += stretch) use(first);
  }

  /// The same, with all lanes at once, and whether there is something for this one.
  template <typename Use>
  __device__ void for_own_together(Use use) const {
    for (int first = begin_; first < end_; first += stretch) {
      const int own = first + static_cast<int>(lane()) * group;
      use(own, own < end_);
    }
  }

  /// Reads the row; each thread can then get what it takes, and after a barrier all of it.
  /// \return the greatest that this thread takes
  __device__ std::uint32_t read() {
    constexpr int at_once = 2;  // are asked for, before the first is waited for
    std::uint32_t greatest = 0;
    for (int begin = begin_ + static_cast<int>(lane()) * group; begin < end_; begin += at_once * stretch) {
      Fetched<float> pre[at_once];
#pragma unroll
      for (int n = 0; n < at_once; ++n) {
        const int first = begin + n * stretch;
        if (first < end_ && source_.are_plain(first)) pre[n] = fetch(source_.pre + first);
      }
#pragma unroll
      for (int n = 0; n < at_once; ++n) {
        const int first = begin + n * stretch;
        if (first >= end_) break;
        std::uint32_t key[group];
        if (source_.are_plain(first)) {
          source_.keys(first, eight(pre[n]), key);
        } else {
          source_.keys(first, key);
        }
#pragma unroll
        for (int i = 0; i < group; ++i) greatest = max(greatest, key[i]);
        if (!low_) continue;
        *four(low_, first) = make_uint4(key[0], key[1], key[2], key[3]);
        *four(high_, first) = make_uint4(key[4], key[5], key[6], key[7]);
      }
    }
    return greatest;
  }

  __device__ void get(int first, std::uint32_t (&key)[group]) const {
    if (!low_) return source_.keys(first, key);
    const auto low = *four(low_, first), high = *four(high_, first);
    key[0] = low.x;
    key[1] = low.y;
    key[2] = low.z;
    key[3] = low.w;
    key[4] = high.x;
    key[5] = high.y;
    key[6] = high.z;
    key[7] = high.w;
  }

  __device__ std::uint32_t get(int j) const {
    if (!low_) return source_.key(j);
    constexpr unsigned half = group / 2;
    const auto eight_of = static_cast<unsigned>(j) / group, within = static_cast<unsigned>(j) % group;
    const auto at = eight_of * half + within % half;
    return within < half ? low_[at] : high_[at];
  }

 private:
  // Halves of eight are apart: what lanes read at once is next to each other.
  __device__ static uint4* four(std::uint32_t* half, int first) {
    return reinterpret_cast<uint4*>(half) + first / group;
  }

  const RowKeys source_;
  const int width_;
  std::uint32_t *low_, *high_;
  int begin_, end_;
};

}  // namespace msae::kernels::cuda
