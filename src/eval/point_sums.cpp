#include "eval/point_sums.h"

#include <cmath>

#include "msae/eval/cosine.h"
#include "msae/eval/nmae.h"

namespace msae::eval {

void PartialMean::add(const torch::Tensor& per_row) {
  const auto exists = per_row.isnan().logical_not();
  sum_ += torch::where(exists, per_row, torch::zeros_like(per_row)).sum().item<double>();
  count_ += exists.sum().item<std::int64_t>();
}

bool PointSums::add(const CodeLatents& latents, const torch::Tensor& normalised,
                    const torch::Tensor& reconstruction, const torch::Tensor& rows,
                    const torch::Tensor& shown) {
  residual_.add(normalised - reconstruction);
  if (!std::isfinite(residual_.value())) return false;
  active_ += latents.active;
  magnitude_ += latents.magnitude;
  fired_.logical_or_(latents.fired.to(torch::kCPU));
  fvu_.add(fvu_per_row(rows, shown));
  cosine_.add(cosine_per_row(rows, shown));
  nmae_.add(nmae_per_row(rows, shown));
  if (activity_) activity_->add(latents.dense());
  if (monosemanticity_) monosemanticity_->add(latents.dense(), rows);
  return true;
}

void PointSums::finish(Point& point, const Deviation& deviation) const {
  const auto latents = static_cast<double>(fired_.numel());
  point.active = static_cast<double>(active_) / static_cast<double>(deviation.rows());
  point.sparsity = 1 - point.active / latents;
  point.fvu = deviation.value() > 0 ? residual_.about() / deviation.value() : 0;
  point.explained_variance = explained_variance(deviation, residual_);
  point.fvu_per_sample = fvu_.value();
  point.cosine = cosine_.value();
  point.nmae = nmae_.value();
  point.never_active = fired_.numel() - fired_.sum().item<std::int64_t>();
  point.dead_fraction = static_cast<double>(point.never_active) / latents;
  point.mean_magnitude = magnitude_ / static_cast<double>(active_);
  point.activity = activity_;
  if (monosemanticity_) point.monosemanticity = monosemanticity_->scores().nanmean().item<double>();
}

}  // namespace msae::eval
