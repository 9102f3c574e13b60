#include "eval/point_codes.h"

#include <algorithm>

#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"

namespace msae::eval {

using models::OperatingPoint;

// Every point is the k largest positive latents for some k, but for batch-topk's threshold.
PointCodes::PointCodes(models::SparseAutoencoder& model, const std::vector<std::int64_t>& ks)
    : model_(model) {
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation());
  const auto* topk = std::get_if<models::TopK>(&model.activation());
  if (nested) {
    add(OperatingPoint::trained(), nested->levels.front());
    for (std::size_t i = 0; i < nested->levels.size(); ++i) {
      add(OperatingPoint::level(static_cast<std::int64_t>(i)), nested->levels[i]);
    }
  } else {
    add(OperatingPoint::trained(), topk ? std::optional(topk->k) : std::nullopt);
  }
  add(OperatingPoint::all(), std::nullopt);
  for (const auto k : ks) add(OperatingPoint::top(k), k);

  for (const auto& point : points_) ks_.push_back(point.k.value_or(model.latents()));
  std::sort(ks_.begin(), ks_.end());
  ks_.erase(std::unique(ks_.begin(), ks_.end()), ks_.end());
  for (auto& point : points_) point.code = code_of(point);
}

void PointCodes::add(OperatingPoint at, std::optional<std::int64_t> k) {
  points_.push_back({.label = at.label(), .k = k, .at = at});
}

std::size_t PointCodes::code_of(const PlacedPoint& point) const {
  if (by_threshold() && point.at.kind == OperatingPoint::Kind::trained) return ks_.size();
  const auto found = std::lower_bound(ks_.begin(), ks_.end(), point.k.value_or(model_.latents()));
  return static_cast<std::size_t>(found - ks_.begin());
}

void PointCodes::for_each(
    const torch::Tensor& normalised,
    const std::function<void(std::size_t, const torch::Tensor&, const torch::Tensor&)>& visit) const {
  const auto pre = model_.pre_activations(normalised);
  const auto level = ops::nested_levels(pre, ks_);
  const auto latents = pre.relu(), zero = torch::zeros({}, pre.options());
  const auto reconstructions =
      ops::nested_decode(latents, level, model_.decoder, static_cast<std::int64_t>(ks_.size()));
  for (std::size_t i = 0; i < ks_.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    visit(i, ks_[i] >= model_.latents() ? latents : torch::where(level <= index, latents, zero),
          reconstructions[index] + model_.pre_bias);
  }
  if (by_threshold()) {
    const auto kept = pre * model_.selection(pre);
    visit(ks_.size(), kept, torch::addmm(model_.pre_bias, kept, model_.decoder));
  }
}

torch::Tensor PointCodes::encode(const torch::Tensor& rows, std::size_t code) const {
  const auto placed = std::find_if(points_.begin(), points_.end(),
                                   [code](const PlacedPoint& point) { return point.code == code; });
  return model_.encode(rows, placed->at);
}

}  // namespace msae::eval
