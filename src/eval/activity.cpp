#include "msae/eval/activity.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace msae::eval {
namespace {

// A magnitude's bin is its float32 without the 16 lowest bits: 128 bins to the octave, found exactly and
// without a logarithm. The last one is that of the largest finite number.
constexpr int cut_bits = 16;
constexpr std::int64_t magnitude_bins = 0x7f80;

torch::Tensor magnitude_counts(const torch::Tensor& active) {
  const auto bits = active.to(torch::kFloat32).view(torch::kInt32);
  return torch::bincount(bits.bitwise_right_shift(cut_bits).clamp_max(magnitude_bins - 1), {}, magnitude_bins)
      .to(torch::kCPU);
}

double middle_of(std::int64_t bin) {
  const auto low = static_cast<std::uint32_t>(bin) << cut_bits;
  return std::bit_cast<float>(low + (1U << (cut_bits - 1)));
}

}  // namespace

torch::Tensor dead_latents(const torch::Tensor& frequency, double threshold) {
  return frequency < threshold;
}

Activity::Activity(std::int64_t latents) {
  TORCH_CHECK(latents >= 1, "activity: expected at least one latent, got ", latents);
  counts_ = torch::zeros({latents}, torch::kInt64);
  sums_ = torch::zeros({latents}, torch::kFloat64);
  maxima_ = torch::zeros({latents}, torch::kFloat64);
  magnitudes_ = torch::zeros({magnitude_bins}, torch::kInt64);
}

// Sums are made anew, not in place: a copy of this shares their storage.
void Activity::add(const torch::Tensor& latents) {
  TORCH_CHECK(latents.dim() == 2 && latents.size(1) == counts_.size(0) && latents.is_floating_point(),
              "activity: expected floating-point latents [rows, ", counts_.size(0), "], got ",
              latents.sizes(), " of ", latents.scalar_type());
  if (latents.size(0) == 0) return;
  const torch::NoGradGuard no_grad;
  const auto magnitude = latents.abs();
  const auto maxima = magnitude.amax(0).to(torch::kCPU, torch::kFloat64);
  TORCH_CHECK(maxima.isfinite().all().item<bool>(), "activity: expected finite latents");
  const auto active = magnitude > 0;
  rows_ += latents.size(0);
  counts_ = counts_ + active.sum(0).to(torch::kCPU);
  sums_ = sums_ + magnitude.sum(0, /*keepdim=*/false, torch::kFloat64).to(torch::kCPU);
  maxima_ = torch::maximum(maxima_, maxima);
  magnitudes_ = magnitudes_ + magnitude_counts(magnitude.masked_select(active));
}

torch::Tensor Activity::counts() const {
  return counts_.clone();
}

torch::Tensor Activity::frequency() const {
  return counts_.to(torch::kFloat64) / static_cast<double>(rows_);
}

FrequencyHistogram Activity::histogram() const {
  std::array<double, FrequencyHistogram::bins - 1> edges{};
  for (std::size_t i = 0; i < edges.size(); ++i)
    edges[i] = std::pow(10, FrequencyHistogram::log10_from(i + 1));
  const auto shares = frequency().contiguous();
  FrequencyHistogram histogram{.counts = std::vector<std::int64_t>(FrequencyHistogram::bins)};
  for (std::int64_t i = 0; i < shares.numel(); ++i) {
    const double share = shares.const_data_ptr<double>()[i];
    if (!(share > 0)) continue;
    const auto bin = std::upper_bound(edges.begin(), edges.end(), share) - edges.begin();
    ++histogram.counts[static_cast<std::size_t>(bin)];
  }
  return histogram;
}

torch::Tensor Activity::mean_magnitude() const {
  return sums_ / counts_;  // 0 / 0 where never active
}

torch::Tensor Activity::maximum_magnitude() const {
  return maxima_.clone();
}

double Activity::mean() const {
  return sums_.sum().item<double>() / counts_.sum().item<double>();
}

double Activity::quantile(double share) const {
  TORCH_CHECK(share >= 0 && share <= 1, "quantile: expected a share from 0 to 1, got ", share);
  const auto entries = counts_.sum().item<std::int64_t>();
  const double largest = maxima_.max().item<double>();
  if (entries == 0) return NAN;
  if (share == 1) return largest;
  const auto rank =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(share * static_cast<double>(entries))));
  std::int64_t bin = 0;
  const auto* counts = magnitudes_.const_data_ptr<std::int64_t>();
  for (auto below = counts[0]; below < rank; below += counts[bin]) ++bin;
  return std::min(middle_of(bin), largest);
}

}  // namespace msae::eval
