#include "io/model_rows.h"

#include <stdexcept>
#include <string>

#include "data/read_blocks.h"

namespace msae::io {

void require_same_dim(const models::SparseAutoencoder& model, const data::EmbeddingSource& data) {
  if (data.dim() == model.dim()) return;
  throw std::invalid_argument("data: " + data.name() + " has dimension " + std::to_string(data.dim()) +
                              " but the model's is " + std::to_string(model.dim()));
}

void require_k(const models::SparseAutoencoder& model, models::OperatingPoint point) {
  if (point.kind != models::OperatingPoint::Kind::top) return;
  if (point.value >= 1 && point.value <= model.latents()) return;
  throw std::invalid_argument("k: must be from 1 to the number of latents, " +
                              std::to_string(model.latents()) + ", not " + std::to_string(point.value));
}

torch::Tensor model_rows(const models::SparseAutoencoder& model, std::span<float> values) {
  return torch::from_blob(values.data(),
                          {static_cast<std::int64_t>(values.size()) / model.dim(), model.dim()},
                          torch::kFloat32)
      .to(model.decoder.device(), model.decoder.scalar_type());
}

void for_each_batch(const models::SparseAutoencoder& model, data::EmbeddingSource& data,
                    std::int64_t batch_size, const std::function<void(double)>& progress,
                    const std::function<void(std::int64_t first, const torch::Tensor& rows)>& visit) {
  data::read_blocks(data, batch_size, progress, [&](std::int64_t first, std::span<float> values) {
    visit(first, model_rows(model, values));
  });
}

}  // namespace msae::io
