// Codes by least squares, for whoever encodes many rows: what is known of the model alone is kept.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "models/pursuit.h"
#include "msae/models/coding.h"
#include "msae/models/sparse_autoencoder.h"
#include "ops/sparse_levels.h"

namespace msae::models {

/// A model's codes by Coding::refit() or pursuit(), at one or several operating points. All on the CPU, in
/// float32, or float64 where the model has that.
class RefinedCodes {
 public:
  /// \param model  must stay, and stay as it is
  /// \param coding not the encoder's
  /// \param points that the model has
  /// \param rows   expected in all: many make it worth to prepare for them
  /// \param name   of the rows, for messages
  /// \throws std::invalid_argument where `coding` is impossible at one of the points
  RefinedCodes(const SparseAutoencoder& model, Coding coding, std::vector<OperatingPoint> points,
               std::int64_t rows, std::string name = "rows");

  /// Codes at all points, which take little longer than the widest of them, unless each has latents of its
  /// own to choose from.
  /// \param normalised [rows, dim], in model space
  /// \param pre        their pre-activations, [rows, latents]
  /// \throws msae::Error when the rows' squares overflow
  std::vector<ops::SparseRows> encode(const torch::Tensor& normalised, const torch::Tensor& pre) const;
  /// Those at one of the points.
  ops::SparseRows encode_at(std::size_t point, const torch::Tensor& normalised,
                            const torch::Tensor& pre) const;

  /// The sum of decoder rows that a code stands for, without pre_bias: [rows, dim].
  torch::Tensor decode(const ops::SparseRows& codes) const;

 private:
  template <typename T>
  using Pursuits = std::map<std::int64_t, Pursuit<T>>;  ///< by the latents at the front of the dictionary

  template <typename T>
  Pursuits<T> make_pursuits(std::int64_t rows) const;
  std::int64_t latents_among(OperatingPoint point) const;
  std::vector<std::int64_t> most(const torch::Tensor& pre, OperatingPoint point) const;
  ops::SparseRows choices(const torch::Tensor& pre, OperatingPoint point) const;
  std::vector<ops::SparseRows> encode_together(const std::vector<std::size_t>& which,
                                               const torch::Tensor& targets, const torch::Tensor& pre) const;
  std::vector<ops::SparseRows> encode_points(const std::vector<std::size_t>& which,
                                             const torch::Tensor& normalised, const torch::Tensor& pre) const;

  const SparseAutoencoder& model_;
  Coding coding_;
  std::vector<OperatingPoint> points_;
  std::string name_;
  torch::Tensor decoder_;  ///< [latents, dim] on the CPU
  std::variant<Pursuits<float>, Pursuits<double>> pursuits_;
};

/// [rows, latents] on the CPU, of the type of the values.
torch::Tensor dense_codes(const ops::SparseRows& codes, std::int64_t latents);

/// Rows at a time, where they would be `most` by the encoder: what is slow comes in smaller parts, between
/// which it can be stopped.
std::int64_t rows_at_a_time(const Coding& coding, std::int64_t most);

}  // namespace msae::models
