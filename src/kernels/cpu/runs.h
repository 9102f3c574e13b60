// Sums over the entries of a run. Included by files that Highway compiles once an instruction set.
#if defined(MSAE_KERNELS_RUNS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MSAE_KERNELS_RUNS_H
#undef MSAE_KERNELS_RUNS_H
#else
#define MSAE_KERNELS_RUNS_H
#endif

#include "kernels/cpu/vectors.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {

/// Entries to ask for before it is their turn: the processor, which sees rows read at random, does not guess
/// that entries follow each other. With more, the rows between would push them out of the first cache again.
inline constexpr std::int64_t entries_ahead = 32;

/// sum [slice] = or += sum of value * dictionary row, over the entries begin..end.
template <bool adds, typename T>
HWY_INLINE void add_entries(const T* HWY_RESTRICT dictionary, const std::uint32_t* HWY_RESTRICT latent,
                            const T* HWY_RESTRICT value, std::int64_t begin, std::int64_t end,
                            T* HWY_RESTRICT sum) {
  using Vectors = Strip<T>;
  if (adds && begin == end) return;
  for (int strip = 0; strip < Vectors::strips; ++strip) {
    const auto* rows = dictionary + strip * Vectors::width;
    auto* to = sum + strip * Vectors::width;
    if (adds) Vectors::prefetch(to);
    // Two sums, as one would have to wait for itself.
    auto even = Vectors::zero(), odd = Vectors::zero();
    auto i = begin;
    for (; i + 1 < end; i += 2) {
      hwy::Prefetch(latent + i + entries_ahead);
      hwy::Prefetch(value + i + entries_ahead);
      even.add_product(value[i], rows + latent[i] * slice_width<T>);
      odd.add_product(value[i + 1], rows + latent[i + 1] * slice_width<T>);
    }
    if (i < end) even.add_product(value[i], rows + latent[i] * slice_width<T>);
    even.add(odd);
    if (adds) even.add(Vectors::load(to));
    even.store(to);
  }
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
