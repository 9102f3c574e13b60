/// \file
/// The latents of rows, as sparse matrices have them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// The latents other than zero of some rows, on the CPU.
struct RowEntries {
  torch::Tensor counts;   ///< [rows] int64
  torch::Tensor indices;  ///< [entries] int32, ascending in a row
  torch::Tensor values;   ///< [entries] float32, finite
};

/// \param rows  [rows, dim], on the model's device and of its type
/// \param point that the model has
/// \param name  of the data, for messages
/// \throws msae::Error when a latent overflows float32
RowEntries row_entries(const models::SparseAutoencoder& model, const torch::Tensor& rows,
                       models::OperatingPoint point, const std::string& name);

/// \throws std::invalid_argument naming k or level, where the model has no such point
void require_point(const models::SparseAutoencoder& model, models::OperatingPoint point);

/// What a batch takes at the least: rows, pre-activations and latents. The CPU's memory alone can be asked
/// for. \throws msae::Error where that is more than there is
void require_memory_to_encode(const models::SparseAutoencoder& model, std::int64_t batch);

}  // namespace msae::io
