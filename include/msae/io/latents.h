/// \file
/// The latents of a whole data set in a file, as a sparse matrix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// What to write of the latents.
struct MSAE_EXPORT LatentsOptions {
  models::OperatingPoint point = {};  ///< as trained
  models::Coding coding = {};         ///< as the encoder has them
  std::int64_t batch_size = 4096;     ///< rows at a time; changes the results by rounding only
  std::string run = {};               ///< what the file says of where the model came from
  /// A label for every row of the data's file, by EmbeddingSource::original_row(); empty: none are written.
  std::vector<std::string> labels = {};

  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// What was written.
struct LatentsSummary {
  std::int64_t rows = 0;     ///< that were encoded
  std::int64_t latents = 0;  ///< of the model
  std::int64_t entries = 0;  ///< latents other than zero, of all rows together
};

/// Encodes all rows and writes their latents to an HDF5 file, whole or not at all, in place of what is there:
///   /indptr int64 [rows + 1], /indices int32 [entries], /values float32 [entries], /shape int64 [2]: the
///   matrix [rows, latents] in compressed sparse rows (CSR), as scipy.sparse.csr_matrix takes it;
///   /rows int64 [rows], the rows' numbers in the data's file, where a view leaves some out;
///   /labels strings [rows], where there are labels; and the attributes run, data
///   (EmbeddingSource::origin()), view (its treatment(), where there is one), point, codes (Coding::name())
///   and msae_version.
/// Memory: a few times batch_size x latents, whatever the number of rows (labels aside).
/// \param model    to encode with
/// \param data     raw embeddings [rows, dim]
/// \param file     to write
/// \param options  which latents, and what else to write
/// \param progress called with the share of rows done; may throw to stop, which leaves no file
/// \return what was written
/// \throws std::invalid_argument when data and model differ in dimension, or the point, the coding or the
///         labels do not fit
/// \throws msae::IoError when the data cannot be read or the file not be written
/// \throws msae::Error when the numbers overflow, or there is not enough memory
/// \throws msae::Error when a batch needs more memory than is free
MSAE_EXPORT LatentsSummary write_latents(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                         const std::filesystem::path& file,
                                         const LatentsOptions& options = {},
                                         const std::function<void(double)>& progress = {});

}  // namespace msae::io
