#include "io/row_entries.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "io/model_rows.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "ops/sparse_levels.h"

namespace msae::io {

using models::OperatingPoint;

namespace {

torch::Tensor to_finite_floats(const torch::Tensor& latents, const std::string& name) {
  const auto values = latents.to(torch::kFloat32);
  if (values.isfinite().all().item<bool>()) return values;
  throw Error(
      name + ": latents overflow float32; are the rows on the scale of those that the model was trained on?");
}

RowEntries entries_of(const torch::Tensor& latents, const std::string& name) {
  const auto values =
      to_finite_floats(latents, name);  // first: what float64 tells from zero, float32 may not
  const auto active = values != 0;
  return {active.sum(1).to(torch::kCPU), active.nonzero().select(1, 1).to(torch::kInt32).to(torch::kCPU),
          values.masked_select(active).to(torch::kCPU)};
}

}  // namespace

RowEncoder::RowEncoder(const models::SparseAutoencoder& model, OperatingPoint point, models::Coding coding,
                       std::int64_t rows, std::string name)
    : model_(model), point_(point), name_(std::move(name)) {
  coding.validate();
  if (coding.kind == models::Coding::Kind::encoder) return;
  refined_.emplace(model, coding, std::vector<OperatingPoint>{point}, rows, name_);
}

// A latent too small for float32 is none: for once the dense way, which leaves it out.
RowEntries RowEncoder::encode(const torch::Tensor& rows) const {
  const auto normalised = model_.normalise(rows);
  const auto pre = model_.pre_activations(normalised);
  if (refined_) {
    const auto codes = refined_->encode_at(0, normalised, pre);
    const auto values = to_finite_floats(codes.values, name_);
    if (values.all().item<bool>()) return {codes.counts, codes.indices, values};
    return entries_of(models::dense_codes(codes, model_.latents()), name_);
  }
  const auto k = model_.top_k(point_);
  if (k && model_.options().ranking == models::Ranking::positive && ops::kernels_take(pre)) {
    const auto kept = ops::sparse_topk(pre, *k);
    const auto values = to_finite_floats(model_.cap(kept.values), name_);
    if (values.all().item<bool>()) return {kept.counts, kept.indices, values};
  }
  return entries_of(model_.dense_latents(pre) * model_.selection(pre, point_), name_);
}

void require_point(const models::SparseAutoencoder& model, OperatingPoint point) {
  require_k(model, point);
  const auto levels = model.level_count();
  if (point.kind == OperatingPoint::Kind::level && (point.value < 0 || point.value >= levels)) {
    throw std::invalid_argument("level: must be from 0 to " + std::to_string(levels - 1) + ", not " +
                                std::to_string(point.value));
  }
}

void require_memory_to_encode(const models::SparseAutoencoder& model, std::int64_t batch) {
  if (!model.decoder.device().is_cpu()) return;
  const auto values = static_cast<std::uint64_t>(model.dim() + 2 * model.latents());
  require_memory(saturating_product(static_cast<std::uint64_t>(batch), values * sizeof(float)),
                 "encoding " + std::to_string(batch) + " rows at a time");
}

}  // namespace msae::io
