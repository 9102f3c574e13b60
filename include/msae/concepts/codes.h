/// \file
/// The latents of a whole data set in memory, as sparse matrices.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "msae/core/export.h"
#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::concepts {

/// Latents [rows, latents] in compressed sparse rows (CSR).
struct Codes {
  std::int64_t rows = 0;             ///< embeddings
  std::int64_t latents = 0;          ///< of the model
  std::vector<std::int64_t> begin;   ///< [rows + 1], where a row's entries begin
  std::vector<std::int32_t> latent;  ///< [entries], ascending in a row
  std::vector<float> value;          ///< [entries], none is zero

  /// The latents that a row has.
  std::span<const std::int32_t> latents_of(std::int64_t row) const;
  /// Their values.
  std::span<const float> values_of(std::int64_t row) const;
};

/// The same in compressed sparse columns (CSC).
struct CodeColumns {
  std::int64_t rows = 0;            ///< embeddings
  std::int64_t latents = 0;         ///< of the model
  std::vector<std::int64_t> begin;  ///< [latents + 1], where a latent's entries begin
  std::vector<std::int32_t> row;    ///< [entries], ascending for a latent
  std::vector<float> value;         ///< [entries]

  /// The rows that have a latent.
  std::span<const std::int32_t> rows_of(std::int64_t latent) const;
  /// Its values there.
  std::span<const float> values_of(std::int64_t latent) const;
};

/// The number of latents at which concepts are looked at unless said otherwise: 64, or all of a smaller
/// dictionary, where a model has levels to choose from or keeps every positive latent; else as trained.
MSAE_EXPORT models::OperatingPoint usual_point(const models::SparseAutoencoder& model);

/// Encodes all rows. Takes 8 bytes for every latent that is kept.
/// \param model    to encode with
/// \param data     raw embeddings [rows, dim]
/// \param point    how many latents to keep
/// \param coding   who chooses them and finds their values
/// \param progress called with the share of rows done; may throw to stop
/// \return [rows, latents]
/// \throws std::invalid_argument when data and model differ in dimension, the model has no such point, or the
///         coding is impossible there
/// \throws msae::IoError when the data cannot be read
/// \throws msae::Error when the numbers overflow, or there is not enough memory
MSAE_EXPORT Codes encode(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                         models::OperatingPoint point, models::Coding coding = {},
                         const std::function<void(double)>& progress = {});

/// The operating point that a file of io::write_latents() says it was made at, as OperatingPoint::label() has
/// it; empty where it says nothing.
/// \throws msae::IoError when the file is missing, or none of HDF5's
MSAE_EXPORT std::string point_of_codes(const std::filesystem::path& file);

/// How a file of io::write_latents() says that its latents were found; by the encoder where it says nothing.
/// \throws msae::IoError when the file is missing, none of HDF5's, or says what there is not
MSAE_EXPORT models::Coding coding_of_codes(const std::filesystem::path& file);

/// Reads what io::write_latents() wrote.
/// \param file HDF5 with /indptr, /indices, /values and /shape
/// \return [rows, latents]
/// \throws msae::IoError when it is missing, or no such matrix
/// \throws msae::Error when it does not fit into memory
MSAE_EXPORT Codes read_codes(const std::filesystem::path& file);

/// The transpose.
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT CodeColumns columns_of(const Codes& codes);

}  // namespace msae::concepts
