#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/select.cpp"
#include "kernels/cpu/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <cmath>

#include "kernels/cpu/select.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2
// Which lanes each mask of eight has, in order. Compilers copy Highway's own table to the stack at every use.
struct MaskedLanes {
  std::uint8_t of[256][8] = {};

  constexpr MaskedLanes() {
    for (int mask = 0; mask < 256; ++mask) {
      for (int lane = 0, count = 0; lane < 8; ++lane) {
        if (mask >> lane & 1) of[mask][count++] = static_cast<std::uint8_t>(lane);
      }
    }
  }
};
constexpr MaskedLanes masked_lanes;

template <class D, class V, class M>
HWY_INLINE V compress(D d, V values, M mask) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, mask, bits);
    const hn::Rebind<std::uint8_t, D> bytes;
    const auto lanes = hn::PromoteTo(d, hn::LoadU(bytes, masked_lanes.of[bits[0]]));
    return hn::TableLookupLanes(values, hn::IndicesFromVec(d, lanes));
  } else {
    return hn::Compress(values, mask);
  }
}
#else
template <class D, class V, class M>
HWY_INLINE V compress(D, V values, M mask) {
  return hn::Compress(values, mask);
}
#endif

// Appends the lanes of `mask`; writes whole vectors, so there must be room for one more.
template <class D, class V, class M>
HWY_INLINE void append(D d, V values, M mask, hn::TFromD<D>* to) {
  hn::StoreU(compress(d, values, mask), d, to);
}

template <typename T, typename Key>
std::int64_t take_positive(const T* pre, const T* bias, std::int64_t latents, Key* key, Key* latent) {
  const hn::ScalableTag<T> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  auto index = hn::Iota(du, 0);
  std::int64_t count = 0, j = 0;
  for (; j + lanes <= latents; j += lanes) {
    auto p = hn::LoadU(d, pre + j);
    if (bias) p = hn::Add(p, hn::LoadU(d, bias + j));
    const auto positive = hn::RebindMask(du, hn::Not(hn::Le(p, zero)));
    append(du, hn::BitCast(du, p), positive, key + count);
    append(du, index, positive, latent + count);
    index = hn::Add(index, hn::Set(du, static_cast<Key>(lanes)));
    count += static_cast<std::int64_t>(hn::CountTrue(du, positive));
  }
  for (; j < latents; ++j) {
    const T p = bias ? pre[j] + bias[j] : pre[j];
    std::memcpy(key + count, &p, sizeof p);
    latent[count] = static_cast<Key>(j);
    if (!(p <= 0)) ++count;
  }
  return count;
}

// The level of each entry: how many of the first cuts leave it out.
template <typename T, typename Key>
void rank(const Key* key, const Key* latent, std::int64_t count, const Cut<T>* cuts, std::int64_t cut_count,
          Key* level) {
  const hn::ScalableTag<Key> d;
  for (std::int64_t i = 0; i < count; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto k = hn::LoadU(d, key + i), j = hn::LoadU(d, latent + i);
    auto outside = hn::Zero(d);
    for (std::int64_t c = 0; c < cut_count; ++c) {
      const auto at = hn::Set(d, cuts[c].key);
      const auto kept =
          hn::Or(hn::Gt(k, at), hn::And(hn::Eq(k, at), hn::Lt(j, hn::Set(d, Key{cuts[c].end}))));
      outside = hn::Add(outside, hn::IfThenZeroElse(kept, hn::Set(d, Key{1})));
    }
    hn::StoreU(outside, d, level + i);
  }
}

// Copies the entries from..to of one level; returns how many there are.
template <typename Key>
std::int64_t take_level(const Key* key, const Key* latent, const Key* level, std::int64_t from,
                        std::int64_t to, Key which, Key* to_key, Key* to_latent) {
  const hn::ScalableTag<Key> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t count = 0;
  for (auto i = from; i < to; i += lanes) {
    const auto inside = hn::FirstN(d, static_cast<std::size_t>(std::min(lanes, to - i)));
    const auto mask = hn::And(inside, hn::Eq(hn::LoadU(d, level + i), hn::Set(d, which)));
    append(d, hn::LoadU(d, key + i), mask, to_key + count);
    append(d, hn::LoadU(d, latent + i), mask, to_latent + count);
    count += static_cast<std::int64_t>(hn::CountTrue(d, mask));
  }
  return count;
}

// Those whose top bits are `bin`.
template <typename Key>
std::int64_t take_bin(const Key* key, const Key* latent, std::int64_t count, Key bin, Key* to_key,
                      Key* to_latent) {
  const hn::ScalableTag<Key> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr int shift = static_cast<int>(8 * sizeof(Key)) - 16;
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto inside = hn::FirstN(d, static_cast<std::size_t>(std::min(lanes, count - i)));
    const auto k = hn::LoadU(d, key + i);
    const auto mask = hn::And(inside, hn::Eq(hn::ShiftRight<shift>(k), hn::Set(d, bin)));
    if (hn::AllFalse(d, mask)) continue;
    append(d, k, mask, to_key + found);
    append(d, hn::LoadU(d, latent + i), mask, to_latent + found);
    found += static_cast<std::int64_t>(hn::CountTrue(d, mask));
  }
  return found;
}

}  // namespace

using Key32 = std::uint32_t;
using Key64 = std::uint64_t;

std::int64_t take_positive32(const float* pre, const float* bias, std::int64_t n, Key32* key, Key32* latent) {
  return take_positive(pre, bias, n, key, latent);
}
std::int64_t take_positive64(const double* pre, const double* bias, std::int64_t n, Key64* key,
                             Key64* latent) {
  return take_positive(pre, bias, n, key, latent);
}
void rank32(const Key32* key, const Key32* latent, std::int64_t n, const Cut<float>* cuts, std::int64_t c,
            Key32* level) {
  rank(key, latent, n, cuts, c, level);
}
void rank64(const Key64* key, const Key64* latent, std::int64_t n, const Cut<double>* cuts, std::int64_t c,
            Key64* level) {
  rank(key, latent, n, cuts, c, level);
}
std::int64_t take_level32(const Key32* key, const Key32* latent, const Key32* level, std::int64_t from,
                          std::int64_t to, Key32 which, Key32* to_key, Key32* to_latent) {
  return take_level(key, latent, level, from, to, which, to_key, to_latent);
}
std::int64_t take_level64(const Key64* key, const Key64* latent, const Key64* level, std::int64_t from,
                          std::int64_t to, Key64 which, Key64* to_key, Key64* to_latent) {
  return take_level(key, latent, level, from, to, which, to_key, to_latent);
}
std::int64_t take_bin32(const Key32* key, const Key32* latent, std::int64_t n, Key32 bin, Key32* to_key,
                        Key32* to_latent) {
  return take_bin(key, latent, n, bin, to_key, to_latent);
}
std::int64_t take_bin64(const Key64* key, const Key64* latent, std::int64_t n, Key64 bin, Key64* to_key,
                        Key64* to_latent) {
  return take_bin(key, latent, n, bin, to_key, to_latent);
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace msae::kernels {
namespace {

HWY_EXPORT(take_positive32);
HWY_EXPORT(take_positive64);
HWY_EXPORT(rank32);
HWY_EXPORT(rank64);
HWY_EXPORT(take_level32);
HWY_EXPORT(take_level64);
HWY_EXPORT(take_bin32);
HWY_EXPORT(take_bin64);

// The vector code for a type of values.
template <typename T>
struct Simd;
template <>
struct Simd<float> {
  static constexpr auto take_positive = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_positive32)(a...); };
  static constexpr auto rank = [](auto... a) { return HWY_DYNAMIC_DISPATCH(rank32)(a...); };
  static constexpr auto take_level = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_level32)(a...); };
  static constexpr auto take_bin = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_bin32)(a...); };
};
template <>
struct Simd<double> {
  static constexpr auto take_positive = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_positive64)(a...); };
  static constexpr auto rank = [](auto... a) { return HWY_DYNAMIC_DISPATCH(rank64)(a...); };
  static constexpr auto take_level = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_level64)(a...); };
  static constexpr auto take_bin = [](auto... a) { return HWY_DYNAMIC_DISPATCH(take_bin64)(a...); };
};

// The widest vector that is written past the end of what is there.
constexpr std::int64_t slack = 64;

template <typename Key>
constexpr int bin_shift = static_cast<int>(8 * sizeof(Key)) - 16;

}  // namespace

template <typename T>
Selector<T>::Selector(std::int64_t latents, std::int64_t tile, T soft_cap)
    : latents_(latents), tile_(tile), soft_cap_(soft_cap), histogram_(bins) {
  for (auto* buffer : {&key_, &latent_, &level_, &kept_key_, &kept_latent_}) buffer->reserve(latents + slack);
  std::fill_n(histogram_.data(), bins, 0U);
  std::fill_n(key_.data(), latents + slack, Key{0});  // the last vector of entries may reach beyond them
  std::fill_n(latent_.data(), latents + slack, Key{0});
}

template <typename T>
void Selector<T>::read(const T* pre, const T* bias) {
  count_ = Simd<T>::take_positive(pre, bias, latents_, key_.data(), latent_.data());
}

template <typename T>
void Selector<T>::read(const ChunkEntries<T>& entries, std::int64_t row) {
  const auto begin = entries.row_begin(row);
  count_ = entries.row_begin(row + 1) - begin;
  if (count_ == 0) return;  // there may be no memory yet
  std::memcpy(key_.data(), entries.value.data() + begin, static_cast<std::size_t>(count_) * sizeof(T));
  std::copy_n(entries.latent.data() + begin, count_, latent_.data());
}

template <typename T>
void Selector<T>::leave_out(const std::uint8_t* wanted) {
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    key_[kept] = key_[i];
    latent_[kept] = latent_[i];
    kept += wanted[latent_[i]] != 0;
  }
  count_ = kept;
}

template <typename T>
void Selector<T>::add_to(std::span<std::uint64_t> histogram) const {
  for (std::int64_t i = 0; i < count_; ++i) ++histogram[key_[i] >> bin_shift<Key>];
}

template <typename T>
void Selector<T>::collect(std::int64_t bin, std::vector<Cut<T>>& candidates) {
  const auto found = Simd<T>::take_bin(key_.data(), latent_.data(), count_, static_cast<Key>(bin),
                                       kept_key_.data(), kept_latent_.data());
  for (std::int64_t i = 0; i < found; ++i) {
    candidates.push_back({kept_key_[i], static_cast<std::uint32_t>(kept_latent_[i])});
  }
}

template <typename T>
std::span<const Cut<T>> Selector<T>::cuts(std::span<const std::int64_t> levels) {
  cuts_.clear();
  const auto partial = std::lower_bound(levels.begin(), levels.end(), count_) - levels.begin();
  if (partial == 0) return cuts_;
  Key low = bins - 1, high = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    const Key bin = key_[i] >> bin_shift<Key>;
    ++histogram_[static_cast<std::int64_t>(bin)];
    low = std::min(low, bin);
    high = std::max(high, bin);
  }
  // From the largest bin down: `above` values are in those that are done.
  auto bin = static_cast<std::int64_t>(high);
  std::int64_t above = 0;
  for (const auto keep : levels.first(static_cast<std::size_t>(partial))) {
    while (above + histogram_[bin] < keep) above += histogram_[bin--];
    if (keep == 0) {
      cuts_.push_back({~Key{0}, 0});
    } else if (above + histogram_[bin] == keep) {
      cuts_.push_back({(static_cast<Key>(bin) << bin_shift<Key>)-1, 0});  // a bin of positive values is not 0
    } else {
      candidates_.clear();
      collect(bin, candidates_);
      cuts_.push_back(cut_among(candidates_, keep - above));
    }
  }
  std::fill_n(histogram_.data() + low, high - low + 1, 0U);
  return cuts_;
}

template <typename T>
void Selector<T>::append(std::span<const Cut<T>> cuts, std::int64_t levels, ChunkEntries<T>& entries,
                         T* smallest) {
  const auto cut_count = static_cast<std::int64_t>(cuts.size());
  if (cut_count > 0) {
    Simd<T>::rank(key_.data(), latent_.data(), count_, cuts.data(), cut_count, level_.data());
  }
  const auto start = entries.count();
  entries.grow(start + count_);
  auto* run = entries.run.data() + entries.rows * entries.runs_per_row;
  std::int64_t kept = 0, from = 0;
  for (auto end = tile_; end < latents_ + tile_; end += tile_) {
    const auto to = tile_end(from, end);
    for (std::int64_t level = 0; level < levels; ++level) {
      *run++ = static_cast<std::uint32_t>(start + kept);
      kept += take(from, to, level, cut_count, kept);
    }
    from = to;
  }
  *run = static_cast<std::uint32_t>(start + kept);
  ++entries.rows;
  if (kept == 0) return;  // there may be no memory yet
  std::memcpy(entries.value.data() + start, kept_key_.data(), static_cast<std::size_t>(kept) * sizeof(T));
  std::copy_n(kept_latent_.data(), kept, entries.latent.data() + start);
  if (smallest) {
    const auto* begin = entries.run.data() + (entries.rows - 1) * entries.runs_per_row;
    for (std::int64_t i = 0; i < entries.runs_per_row; ++i) {
      for (auto k = begin[i]; k < begin[i + 1]; ++k) {
        smallest[i % levels] = std::min(smallest[i % levels], entries.value[k]);
      }
    }
  }
  if (soft_cap_ > 0) {
    for (auto i = start; i < start + kept; ++i) {
      entries.value[i] = soft_cap_ * std::tanh(entries.value[i] / soft_cap_);
    }
  }
}

template <typename T>
std::int64_t Selector<T>::tile_end(std::int64_t from, std::int64_t end) const {
  if (end >= latents_) return count_;
  return std::lower_bound(latent_.data() + from, latent_.data() + count_, static_cast<Key>(end)) -
         latent_.data();
}

template <typename T>
std::int64_t Selector<T>::take(std::int64_t from, std::int64_t to, std::int64_t level, std::int64_t cuts,
                               std::int64_t at) {
  if (level > cuts) return 0;
  if (cuts > 0) {
    return Simd<T>::take_level(key_.data(), latent_.data(), level_.data(), from, to, static_cast<Key>(level),
                               kept_key_.data() + at, kept_latent_.data() + at);
  }
  std::copy(key_.data() + from, key_.data() + to, kept_key_.data() + at);
  std::copy(latent_.data() + from, latent_.data() + to, kept_latent_.data() + at);
  return to - from;
}

template <typename T>
Cut<T> cut_among(std::vector<Cut<T>>& candidates, std::int64_t keep) {
  const auto last = candidates.begin() + (keep - 1);
  std::nth_element(candidates.begin(), last, candidates.end(), [](const Cut<T>& a, const Cut<T>& b) {
    return a.key != b.key ? a.key > b.key : a.end < b.end;
  });
  return {last->key, last->end + 1};
}

template class Selector<float>;
template class Selector<double>;
template Cut<float> cut_among(std::vector<Cut<float>>&, std::int64_t);
template Cut<double> cut_among(std::vector<Cut<double>>&, std::int64_t);

}  // namespace msae::kernels
#endif
