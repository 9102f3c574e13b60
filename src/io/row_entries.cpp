#include "io/row_entries.h"

#include <algorithm>
#include <stdexcept>

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

RowEntries row_entries(const models::SparseAutoencoder& model, const torch::Tensor& rows,
                       OperatingPoint point, const std::string& name) {
  const auto pre = model.pre_activations(model.normalise(rows));
  const auto k = model.top_k(point);
  if (k && model.options().ranking == models::Ranking::positive && ops::kernels_take(pre)) {
    const auto kept = ops::sparse_topk(pre, *k);
    const auto values = to_finite_floats(model.cap(kept.values), name);
    // A latent too small for float32 is none: for once the dense way, which leaves it out.
    if (values.all().item<bool>()) return {kept.counts, kept.indices, values};
  }
  return entries_of(model.dense_latents(pre) * model.selection(pre, point), name);
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
