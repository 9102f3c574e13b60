/// \file
/// Rows of embeddings, as a model takes them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>

#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// \throws std::invalid_argument naming both, unless the data's dimension is the model's
void require_same_dim(const models::SparseAutoencoder& model, const data::EmbeddingSource& data);

/// \throws std::invalid_argument naming k, where `point` is a number of latents that the model has not
void require_k(const models::SparseAutoencoder& model, models::OperatingPoint point);

/// [values / dim, dim] on the model's device and of its type: a view of `values` where those are the CPU and
/// float32.
torch::Tensor model_rows(const models::SparseAutoencoder& model, std::span<float> values);

/// Calls `visit(first, rows)` for all rows of `data`, `batch_size` at a time, in their order; `rows`,
/// [count, dim], are good until it returns. Then `progress` with the share that is done. Neither may read
/// from `data`.
void for_each_batch(const models::SparseAutoencoder& model, data::EmbeddingSource& data,
                    std::int64_t batch_size, const std::function<void(double)>& progress,
                    const std::function<void(std::int64_t first, const torch::Tensor& rows)>& visit);

}  // namespace msae::io
