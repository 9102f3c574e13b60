/// \file
/// The latents of rows, as sparse matrices have them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "models/refined_codes.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// The latents other than zero of some rows, on the CPU.
struct RowEntries {
  torch::Tensor counts;   ///< [rows] int64
  torch::Tensor indices;  ///< [entries] int32, ascending in a row
  torch::Tensor values;   ///< [entries] float32, finite
};

/// Encodes batch after batch of a data set.
class RowEncoder {
 public:
  /// \param model must stay
  /// \param point that the model has
  /// \param rows  of all batches together
  /// \param name  of the data, for messages
  /// \throws std::invalid_argument where `coding` is impossible at that point
  RowEncoder(const models::SparseAutoencoder& model, models::OperatingPoint point, models::Coding coding,
             std::int64_t rows, std::string name);

  /// \param rows [rows, dim], on the model's device and of its type
  /// \throws msae::Error when a latent overflows float32
  RowEntries encode(const torch::Tensor& rows) const;

 private:
  const models::SparseAutoencoder& model_;
  models::OperatingPoint point_;
  std::string name_;
  std::optional<models::RefinedCodes> refined_;  ///< unless the encoder's own codes are asked for
};

/// \throws std::invalid_argument naming k or level, where the model has no such point
void require_point(const models::SparseAutoencoder& model, models::OperatingPoint point);

/// What a batch takes at the least: rows, pre-activations and latents. The CPU's memory alone can be asked
/// for. \throws msae::Error where that is more than there is
void require_memory_to_encode(const models::SparseAutoencoder& model, std::int64_t batch);

}  // namespace msae::io
