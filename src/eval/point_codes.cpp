#include "eval/point_codes.h"

#include <algorithm>

#include "models/sparse_codes.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "ops/sparse_levels.h"

namespace msae::eval {

using models::OperatingPoint;

namespace {

// Of points that keep the same, one: trained is one of the levels where there are several.
OperatingPoint canonical(const models::SparseAutoencoder& model, OperatingPoint at) {
  if (at.kind != OperatingPoint::Kind::trained || model.level_count() == 1) return at;
  const bool prefixes = std::holds_alternative<models::PrefixMatryoshka>(model.activation());
  return OperatingPoint::level(prefixes ? model.level_count() - 1 : 0);
}

bool same(OperatingPoint a, OperatingPoint b) {
  return a.kind == b.kind && a.value == b.value;
}

}  // namespace

PointCodes::PointCodes(models::SparseAutoencoder& model, const std::vector<std::int64_t>& ks,
                       models::Coding coding, std::int64_t rows)
    : model_(model), coding_(coding) {
  add(OperatingPoint::trained());
  for (std::int64_t i = 0; model.level_count() > 1 && i < model.level_count(); ++i) {
    add(OperatingPoint::level(i));
  }
  add(OperatingPoint::all());
  for (const auto k : ks) add(OperatingPoint::top(k));

  std::sort(ks_.begin(), ks_.end());
  ks_.erase(std::unique(ks_.begin(), ks_.end()), ks_.end());
  for (auto& point : points_) point.code = code_of(point.at);
  refine(rows);
}

bool PointCodes::is_refined(std::size_t code) const {
  if (coding_.kind == models::Coding::Kind::encoder) return false;
  if (code >= ks_.size()) return true;
  const auto k = ks_[code];
  return k <= model_.dim() && models::has_candidates(coding_, k);
}

models::Coding PointCodes::coding_of(std::size_t code) const {
  return is_refined(code) ? coding_ : models::Coding::encoder();
}

void PointCodes::refine(std::int64_t rows) {
  std::vector<OperatingPoint> points;
  for (std::size_t code = 0; code < count(); ++code) {
    const bool has_k = code < ks_.size();
    if (is_refined(code)) {
      points.push_back(has_k ? OperatingPoint::top(ks_[code]) : by_threshold_[code - ks_.size()]);
      refined_of_.push_back(code);
    } else if (has_k) {
      wide_ks_.push_back(ks_[code]);
    }
  }
  if (!points.empty()) refined_.emplace(model_, coding_, points, rows);
}

void PointCodes::add(OperatingPoint at) {
  auto k = model_.top_k(at);
  if (k) {
    ks_.push_back(*k);
  } else if (const auto one = canonical(model_, at);
             std::none_of(by_threshold_.begin(), by_threshold_.end(), [&](auto p) { return same(p, one); })) {
    by_threshold_.push_back(one);
  }
  // Where every latent is kept there is no bound to speak of.
  const bool relu = std::holds_alternative<models::Relu>(model_.activation());
  if (at.kind == OperatingPoint::Kind::all || (relu && at.kind != OperatingPoint::Kind::top)) k.reset();
  points_.push_back({.label = at.label(), .k = k, .at = at});
}

std::size_t PointCodes::code_of(OperatingPoint at) const {
  if (const auto k = model_.top_k(at)) {
    return static_cast<std::size_t>(std::lower_bound(ks_.begin(), ks_.end(), *k) - ks_.begin());
  }
  const auto one = canonical(model_, at);
  const auto found =
      std::find_if(by_threshold_.begin(), by_threshold_.end(), [&](auto p) { return same(p, one); });
  return ks_.size() + static_cast<std::size_t>(found - by_threshold_.begin());
}

void PointCodes::for_each(const torch::Tensor& normalised, const Visit& visit) const {
  const auto pre = model_.pre_activations(normalised);
  const bool positive = model_.options().ranking == models::Ranking::positive;
  if (refined_) for_each_refined(normalised, pre, visit);
  if (!wide_ks_.empty() && positive && ops::kernels_take(pre)) {
    ops::with_type_of(pre, [&]<typename T>(T) { for_each_k_by_kernels<T>(normalised, pre, visit); });
  } else if (!wide_ks_.empty()) {
    for_each_k(normalised, pre, visit);
  }
  if (refined_ || by_threshold_.empty()) return;
  const auto latents = model_.dense_latents(pre);
  for (std::size_t i = 0; i < by_threshold_.size(); ++i) {
    const auto kept = latents * model_.selection(pre, by_threshold_[i]);
    const auto reconstruction = torch::addmm(model_.pre_bias, kept, model_.decoder);
    visit(ks_.size() + i, code_latents(kept), model_.restore_rows(reconstruction, normalised));
  }
}

void PointCodes::for_each_refined(const torch::Tensor& normalised, const torch::Tensor& pre,
                                  const Visit& visit) const {
  const auto all = refined_->encode(normalised, pre);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& codes = all[i];
    const auto fired =
        torch::zeros({model_.latents()}, torch::kBool).index_fill_(0, codes.indices.to(torch::kInt64), true);
    const auto dense = [&] { return models::dense_codes(codes, model_.latents()).to(pre.options()); };
    visit(refined_of_[i],
          {codes.values.numel(), codes.values.abs().sum(torch::kFloat64).item<double>(), fired, dense},
          model_.restore_rows(refined_->decode(codes).to(pre.options()) + model_.pre_bias, normalised));
  }
}

void PointCodes::for_each_k(const torch::Tensor& normalised, const torch::Tensor& pre,
                            const Visit& visit) const {
  const auto first = ks_.size() - wide_ks_.size();
  const auto level = ops::nested_levels(model_.scores(pre), wide_ks_);
  const auto latents = model_.dense_latents(pre), zero = torch::zeros({}, pre.options());
  const auto decoded =
      ops::nested_decode(latents, level, model_.decoder, static_cast<std::int64_t>(wide_ks_.size()));
  for (std::size_t i = 0; i < wide_ks_.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const auto kept = wide_ks_[i] >= model_.latents() ? latents : torch::where(level <= index, latents, zero);
    visit(first + i, code_latents(kept), model_.restore_rows(decoded[index] + model_.pre_bias, normalised));
  }
}

// All ks from the sparse latents of the widest of them.
template <typename T>
void PointCodes::for_each_k_by_kernels(const torch::Tensor& normalised, const torch::Tensor& pre,
                                       const Visit& visit) const {
  const auto first = ks_.size() - wide_ks_.size();
  const auto kept = ops::sparse_levels<T>(pre, wide_ks_, model_.options().soft_cap);
  const auto decoded = ops::reconstruct(kept, model_.decoder);
  const auto activity = ops::activity_of(kept);
  torch::Tensor level, latents;  // dense where they are asked for
  for (std::size_t i = 0; i < wide_ks_.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    const auto dense = [&] {
      if (!level.defined()) {
        level = ops::dense_levels(kept, kept.levels);
        latents = model_.dense_latents(pre);
      }
      return torch::where(level <= index, latents, torch::zeros({}, latents.options()));
    };
    visit(first + i, {activity.active[i], activity.magnitude[i], activity.first_level <= index, dense},
          model_.restore_rows(decoded[index] + model_.pre_bias, normalised));
  }
}

torch::Tensor PointCodes::encode(const torch::Tensor& rows, std::size_t code) const {
  if (is_refined(code)) {
    const auto place = std::find(refined_of_.begin(), refined_of_.end(), code) - refined_of_.begin();
    const auto normalised = model_.normalise(rows);
    const auto pre = model_.pre_activations(normalised);
    const auto codes = refined_->encode_at(static_cast<std::size_t>(place), normalised, pre);
    return models::dense_codes(codes, model_.latents()).to(pre.options());
  }
  const auto placed = std::find_if(points_.begin(), points_.end(),
                                   [code](const PlacedPoint& point) { return point.code == code; });
  return model_.encode(rows, placed->at);
}

}  // namespace msae::eval
