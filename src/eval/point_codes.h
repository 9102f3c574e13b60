/// \file
/// The operating points of an evaluation and the latents they choose: what knows how latents are chosen is
/// here alone.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/code_latents.h"
#include "models/refined_codes.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::eval {

/// An operating point, and where it is found among those codes that differ.
struct PlacedPoint {
  std::string label;
  std::optional<std::int64_t> k;  ///< latents kept at most, where the point has such a bound
  models::OperatingPoint at;
  std::size_t code = 0;  ///< which of PointCodes
};

/// The codes of a model at all points: as trained, each level, all, each k. Points that keep the same share a
/// code. Those that keep no more latents than EvalOptions::coding can give are found by it, all others by the
/// encoder.
class PointCodes {
 public:
  /// \param rows to be encoded in all
  PointCodes(models::SparseAutoencoder& model, const std::vector<std::int64_t>& ks, models::Coding coding,
             std::int64_t rows);

  const std::vector<PlacedPoint>& points() const { return points_; }
  /// How one of the codes is found.
  models::Coding coding_of(std::size_t code) const;
  /// How many codes differ.
  std::size_t count() const { return ks_.size() + by_threshold_.size(); }

  using Visit =
      std::function<void(std::size_t code, const CodeLatents&, const torch::Tensor& reconstruction)>;
  /// Calls `visit` for each code of some rows in model space, [rows, dim], in which the reconstructions
  /// [rows, dim] are as well; latents are to be asked for before it returns.
  void for_each(const torch::Tensor& normalised, const Visit& visit) const;
  /// One code of raw rows: [rows, dim] to [rows, latents].
  torch::Tensor encode(const torch::Tensor& rows, std::size_t code) const;

 private:
  void add(models::OperatingPoint at);
  std::size_t code_of(models::OperatingPoint at) const;
  bool is_refined(std::size_t code) const;
  void refine(std::int64_t rows);
  void for_each_refined(const torch::Tensor& normalised, const torch::Tensor& pre, const Visit& visit) const;
  void for_each_k(const torch::Tensor& normalised, const torch::Tensor& pre, const Visit& visit) const;
  template <typename T>
  void for_each_k_by_kernels(const torch::Tensor& normalised, const torch::Tensor& pre,
                             const Visit& visit) const;

  models::SparseAutoencoder& model_;
  std::vector<PlacedPoint> points_;
  std::vector<std::int64_t> ks_;                      ///< of the first codes, ascending, distinct
  std::vector<models::OperatingPoint> by_threshold_;  ///< of those that come after them
  models::Coding coding_;
  std::vector<std::int64_t> wide_ks_;    ///< of ks_, the last ones: those of the encoder
  std::vector<std::size_t> refined_of_;  ///< codes of refined_, in its order
  std::optional<models::RefinedCodes> refined_;
};

}  // namespace msae::eval
