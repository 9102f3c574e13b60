// A row of a slice in vector registers. Included by files that Highway compiles once an instruction set.
#if defined(MSAE_KERNELS_VECTORS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MSAE_KERNELS_VECTORS_H
#undef MSAE_KERNELS_VECTORS_H
#else
#define MSAE_KERNELS_VECTORS_H
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "kernels/cpu/layout.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// As many vectors as a loop can keep in registers, or those of a whole row where that is less.
template <typename T>
struct Strip {
  using Tag = hn::ScalableTag<T>;
  using Vector = hn::Vec<Tag>;
  static constexpr int lanes = static_cast<int>(hn::MaxLanes(Tag()));
  static constexpr int whole = static_cast<int>(slice_width<T>) / lanes;
  static constexpr int count = whole < 8 ? whole : 8;
  static constexpr int width = count * lanes;
  static constexpr int strips = whole / count;

  Vector v[count];

  Strip() = default;  // an implicit one would have no instruction set

  static HWY_INLINE Strip zero() {
    Strip s;
    for (int i = 0; i < count; ++i) s.v[i] = hn::Zero(Tag());
    return s;
  }
  static HWY_INLINE Strip load(const T* HWY_RESTRICT from) {
    Strip s;
    for (int i = 0; i < count; ++i) s.v[i] = hn::LoadU(Tag(), from + i * lanes);
    return s;
  }
  /// Asks for what is soon to be loaded.
  static HWY_INLINE void prefetch(const T* from) {
    for (int i = 0; i < width; i += 64 / static_cast<int>(sizeof(T))) hwy::Prefetch(from + i);
  }
  HWY_INLINE void store(T* HWY_RESTRICT to) const {
    for (int i = 0; i < count; ++i) hn::StoreU(v[i], Tag(), to + i * lanes);
  }
  HWY_INLINE void add(const Strip& other) {
    for (int i = 0; i < count; ++i) v[i] = hn::Add(v[i], other.v[i]);
  }
  HWY_INLINE void subtract(const Strip& other) {
    for (int i = 0; i < count; ++i) v[i] = hn::Sub(v[i], other.v[i]);
  }
  HWY_INLINE void add_product(T factor, const T* HWY_RESTRICT row) {
    const auto f = hn::Set(Tag(), factor);
    for (int i = 0; i < count; ++i) v[i] = hn::MulAdd(f, hn::LoadU(Tag(), row + i * lanes), v[i]);
  }
  HWY_INLINE void add_product(T factor, const Strip& row) {
    const auto f = hn::Set(Tag(), factor);
    for (int i = 0; i < count; ++i) v[i] = hn::MulAdd(f, row.v[i], v[i]);
  }
  HWY_INLINE Strip scaled(T factor) const {
    Strip s;
    const auto f = hn::Set(Tag(), factor);
    for (int i = 0; i < count; ++i) s.v[i] = hn::Mul(f, v[i]);
    return s;
  }
  /// Lane by lane: what is left is to add the lanes up.
  HWY_INLINE Vector products(const Strip& other) const {
    auto sum = hn::Mul(v[0], other.v[0]);
    for (int i = 1; i < count; ++i) sum = hn::MulAdd(v[i], other.v[i], sum);
    return sum;
  }
  HWY_INLINE T sum_of_squares() const { return hn::GetLane(hn::SumOfLanes(Tag(), products(*this))); }
};

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
