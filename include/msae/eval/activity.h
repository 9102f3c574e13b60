/// \file
/// How often latents are active and how strongly. An entry z of the latents is active where z != 0, as the
/// published implementation of Zaigrajew et al. (arXiv 2502.20578) counts it: z > 0 where latents are not
/// negative. The magnitude of an active entry is |z|.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "msae/core/export.h"

namespace msae::eval {

/// Latents that are active in a smaller share of the rows are dead, by the published rule: 10^-5.5.
inline constexpr double dead_frequency = 3.162277660168379e-06;

/// Which latents are dead: those with a frequency below a threshold, compared in the type of `frequency`.
/// With fewer than 316,228 rows that is those that are never active.
/// \param frequency [latents], shares of rows
/// \param threshold share of rows
/// \return [latents] bool
MSAE_EXPORT torch::Tensor dead_latents(const torch::Tensor& frequency, double threshold = dead_frequency);

/// How many of the latents that are active at all have which frequency, in half decades.
struct FrequencyHistogram {
  /// Counts of [0, 10^-5.5), [10^-5.5, 10^-5), ..., [10^-0.5, 1].
  std::vector<std::int64_t> counts = {};
  /// log10 of the lower edge of a bin of `counts` but the first, which has none: -5.5 + (bin - 1) / 2.
  static double log10_from(std::size_t bin) { return -6 + 0.5 * static_cast<double>(bin); }
  static constexpr std::size_t bins = 12;  ///< of `counts`
};

/// Activity of latents, fed batch by batch. Counts, maxima and quantiles are the same bits for every order of
/// the rows, batch size and number of threads, means the same but for rounding (float64). Holds some numbers
/// per latent and 256 kB; a batch costs a few passes over rows x latents.
class MSAE_EXPORT Activity {
 public:
  /// \param latents how many there are, at least 1
  /// \throws c10::Error when there are none
  explicit Activity(std::int64_t latents);

  /// \param latents [rows, latents], finite, of any floating-point type and sign; no rows are fine
  /// \throws c10::Error when the shape does not fit or a value is not finite; then nothing was added
  void add(const torch::Tensor& latents);

  /// How many rows were added.
  std::int64_t rows() const { return rows_; }
  /// [latents] int64: rows in which each is active.
  torch::Tensor counts() const;
  /// [latents] float64: share of the rows in which each is active; NaN without a row.
  torch::Tensor frequency() const;
  /// [latents] bool: frequency below 10^-5.5, see dead_latents().
  torch::Tensor dead() const { return dead_latents(frequency()); }
  /// [latents] bool: active in no row.
  torch::Tensor never_active() const { return counts() == 0; }
  /// Of those latents that are active in any row.
  FrequencyHistogram histogram() const;

  /// [latents] float64: mean magnitude where active; NaN where that is nowhere.
  torch::Tensor mean_magnitude() const;
  /// [latents] float64: largest magnitude; 0 where never active.
  torch::Tensor maximum_magnitude() const;
  /// Mean magnitude of all active entries; NaN without one.
  double mean() const;
  /// The magnitude that a share of the active entries does not exceed: the ceil(share * entries)-th smallest,
  /// within 1/256 of itself, from a histogram of 128 bins to the octave (float32 cut to 8 bits of precision);
  /// never above the largest, which the share 1 gives exactly.
  /// \param share from 0 to 1
  /// \return NaN without an active entry
  /// \throws c10::Error when the share is not from 0 to 1
  double quantile(double share) const;

 private:
  std::int64_t rows_ = 0;
  torch::Tensor counts_, sums_, maxima_;  // [latents]
  torch::Tensor magnitudes_;              // [bins], entries with a magnitude of that bin
};

}  // namespace msae::eval
