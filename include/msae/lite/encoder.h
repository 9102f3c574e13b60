/// \file
/// Models at work, without LibTorch: the library msae::lite, for programs that encode and decode alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "msae/core/export.h"
#include "msae/models/activation.h"
#include "msae/models/coding.h"
#include "msae/models/operating_point.h"

/// What a program needs that applies a trained model: a library of its own, small, static and without
/// LibTorch.
namespace msae::lite {

using models::Coding;
using models::OperatingPoint;
struct Model;

/// A latent of a row that is not zero.
struct ActiveLatent {
  std::int32_t latent = 0;  ///< which one, from 0
  float value = 0;          ///< positive, unless models::Ranking lets others pass

  /// Both the same.
  bool operator==(const ActiveLatent&) const = default;
};

/// The active latents of several rows: compressed sparse rows.
struct MSAE_EXPORT SparseRows {
  std::vector<std::size_t> starts{0};  ///< [rows + 1], each row's first entry, and the number of all
  std::vector<ActiveLatent> entries;   ///< row by row, latents ascending in each

  /// How many there are.
  std::size_t rows() const { return starts.empty() ? 0 : starts.size() - 1; }
  /// Those of one row, from 0 to rows() - 1.
  std::span<const ActiveLatent> operator[](std::size_t row) const {
    return {entries.data() + starts[row], starts[row + 1] - starts[row]};
  }
};

/// A model read from its folder, which encodes raw embeddings and decodes latents as
/// models::SparseAutoencoder does, to rounding: every kind, every operating point and Coding, ties to the
/// lower index.
///
/// Weights and arithmetic are float32, whatever the folder holds; sizes count numbers, not bytes. Functions
/// take one thread each, and any number of threads may call them at once. Copies share their weights.
class MSAE_EXPORT Encoder {
 public:
  /// Reads cfg.json and sae_weights.safetensors (float16, bfloat16, float32 or float64), as io::save(),
  /// `msae train` and SAELens write them. It takes the memory of encoder and decoder, of a tied model that of
  /// one.
  /// \throws msae::IoError naming the file and what is missing, malformed, of the wrong shape or in a newer
  ///         format
  /// \throws msae::Error when there is not enough memory
  explicit Encoder(const std::filesystem::path& folder);

  /// Length of an embedding.
  std::int64_t dim() const;
  /// Size of the dictionary.
  std::int64_t latents() const;
  /// The kind of model and its k or levels.
  const models::Activation& activation() const;
  /// models::level_count() of its activation.
  std::int64_t level_count() const;

  /// Latents of one raw embedding. Most of its time is that of reading the encoder from memory; of a pursuit,
  /// that of reading the decoder as often as there are latents.
  /// \param row    [dim]
  /// \param point  how many latents to keep
  /// \param coding who chooses them and finds their values
  /// \return the active ones, ascending
  /// \throws std::invalid_argument when the row has another length, holds NaN or Inf or so large numbers that
  ///         latents would, the model has no such point, or the coding is impossible there
  std::vector<ActiveLatent> encode(std::span<const float> row, OperatingPoint point = {},
                                   Coding coding = {}) const;
  /// Latents of several: what encode() gives for each, to rounding, in less time. Where many rows are coded
  /// by least squares, it takes the memory of [latents, latents] floats, up to 1 GiB.
  /// \param rows   [rows, dim], one after the other; none is fine
  /// \param point  how many latents to keep
  /// \param coding who chooses them and finds their values
  /// \throws std::invalid_argument as encode(), naming the row
  SparseRows encode_rows(std::span<const float> rows, OperatingPoint point = {}, Coding coding = {}) const;
  /// The same with every latent, most of them 0.
  /// \param rows   [rows, dim]
  /// \param point  how many latents to keep
  /// \param coding who chooses them and finds their values
  /// \return [rows, latents]
  /// \throws std::invalid_argument as encode_rows()
  std::vector<float> encode_dense(std::span<const float> rows, OperatingPoint point = {},
                                  Coding coding = {}) const;

  /// A raw embedding from its latents.
  /// \param code what encode() gave, or anything like it: in any order, values of any sign
  /// \param row  [dim], what was encoded: models with normalise_rows give its mean and deviation back, all
  ///             others ignore it. Without it they give a row of mean 0 and deviation 1 in model space.
  /// \return [dim]
  /// \throws std::invalid_argument when there is no such latent, or the row is of another length or not
  ///         finite
  std::vector<float> decode(std::span<const ActiveLatent> code, std::span<const float> row = {}) const;
  /// decode() of several rows.
  /// \param codes of encode_rows()
  /// \param rows  [rows, dim], what was encoded, or nothing: see decode()
  /// \return [rows, dim]
  /// \throws std::invalid_argument as decode(), or when there are more or fewer rows than codes
  std::vector<float> decode_rows(const SparseRows& codes, std::span<const float> rows = {}) const;
  /// decode() of latents most of which may be other than 0.
  /// \param latents [rows, latents]
  /// \param rows    [rows, dim], what was encoded, or nothing: see decode()
  /// \return [rows, dim]
  /// \throws std::invalid_argument when sizes do not fit, or a row is not finite
  std::vector<float> decode_dense(std::span<const float> latents, std::span<const float> rows = {}) const;

 private:
  std::shared_ptr<const Model> model_;
};

}  // namespace msae::lite
