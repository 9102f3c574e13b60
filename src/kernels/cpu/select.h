// Which latents a row keeps, for all levels in one pass.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// Where a level ends in a ranking by (value descending, latent ascending): it keeps the values whose bits,
/// as a number, exceed `key`, and of those equal to it the latents before `end`.
template <typename T>
struct Cut {
  using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  Key key = 0;
  std::uint32_t end = 0;
};

/// A row on its way through the selection: its positive pre-activations, and room to work.
template <typename T>
class Selector {
 public:
  using Key = typename Cut<T>::Key;

  /// \param latents of a row
  /// \param tile    as of ChunkEntries
  /// \param soft_cap latents become soft_cap * tanh(p / soft_cap); 0: they do not
  Selector(std::int64_t latents, std::int64_t tile, T soft_cap);

  /// Takes the positive ones of pre [latents] + bias [latents], if there is one. NaN counts as positive, so
  /// that it is seen.
  void read(const T* pre, const T* bias = nullptr);
  /// Takes those of a row of entries that are not capped, in one run.
  void read(const ChunkEntries<T>& entries, std::int64_t row);
  /// Forgets those whose latent is not wanted [latents].
  void leave_out(const std::uint8_t* wanted);
  /// How many there are.
  std::int64_t count() const { return count_; }

  /// Adds them to `histogram` [bins], by the top bits of their values.
  void add_to(std::span<std::uint64_t> histogram) const;
  /// Appends those whose bin it is to `candidates`.
  void collect(std::int64_t bin, std::vector<Cut<T>>& candidates);

  /// The cuts of the levels that do not keep them all.
  /// \param levels latents kept, ascending
  std::span<const Cut<T>> cuts(std::span<const std::int64_t> levels);

  /// Appends the row to `entries`, cut into levels.
  /// \param cuts   of the first levels, ascending
  /// \param levels of them in all; with as many cuts, what is beyond the last one is left out
  /// \param smallest [levels], lowered to the smallest value that a level adds; null: not asked for
  void append(std::span<const Cut<T>> cuts, std::int64_t levels, ChunkEntries<T>& entries,
              T* smallest = nullptr);

  std::int64_t bytes() const {
    return key_.bytes() + latent_.bytes() + level_.bytes() + kept_key_.bytes() + kept_latent_.bytes() +
           histogram_.bytes();
  }

  static constexpr std::int64_t bins = 1 << 16;

 private:
  /// Where the entries from `from` on reach a latent.
  std::int64_t tile_end(std::int64_t from, std::int64_t latent) const;
  /// Copies those of one level to the grouped ones; returns how many there are.
  std::int64_t take(std::int64_t from, std::int64_t to, std::int64_t level, std::int64_t cuts,
                    std::int64_t at);

  std::int64_t latents_, tile_, count_ = 0;
  T soft_cap_;
  Buffer<Key> key_, latent_, level_;    ///< [count], of the positive ones
  Buffer<Key> kept_key_, kept_latent_;  ///< [count], grouped
  Buffer<std::uint32_t> histogram_;     ///< [bins], zero between calls
  std::vector<Cut<T>> cuts_, candidates_;
};

/// The cut that keeps the `keep` largest of candidates, values of one bin, from 1 to all of them.
/// \param candidates reordered; Cut::end holds each one's latent, or its number in a batch
template <typename T>
Cut<T> cut_among(std::vector<Cut<T>>& candidates, std::int64_t keep);

}  // namespace msae::kernels
