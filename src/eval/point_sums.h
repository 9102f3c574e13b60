/// \file
/// The sums behind one Point.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "eval/code_latents.h"
#include "msae/eval/activity.h"
#include "msae/eval/evaluator.h"
#include "msae/eval/fvu.h"
#include "msae/eval/monosemanticity.h"

namespace msae::eval {

/// The mean of those entries that exist.
class PartialMean {
 public:
  /// \param per_row [rows], NaN where there is no value
  void add(const torch::Tensor& per_row);
  double value() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

/// Sums are made anew or moved: copies would share the storage of tensors.
class PointSums {
 public:
  explicit PointSums(std::int64_t latents) : fired_(torch::zeros({latents}, torch::kBool)) {}
  PointSums(const PointSums&) = delete;
  PointSums(PointSums&&) = default;
  PointSums& operator=(const PointSums&) = delete;
  PointSums& operator=(PointSums&&) = default;
  ~PointSums() = default;

  void watch_activity() { activity_.emplace(fired_.numel()); }
  void watch_monosemanticity(std::int64_t dim) {
    if (!monosemanticity_) monosemanticity_.emplace(fired_.numel(), dim);
  }

  /// All [rows, dim] but the latents. `rows` and `shown` are in the space of the cosine.
  /// \return false where a residual is not finite: then the latents, too, may overflow, and were not added
  bool add(const CodeLatents& latents, const torch::Tensor& normalised, const torch::Tensor& reconstruction,
           const torch::Tensor& rows, const torch::Tensor& shown);

  /// Fills all of `point` but its name. \param deviation of the rows in model space
  void finish(Point& point, const Deviation& deviation) const;

 private:
  std::int64_t active_ = 0;
  double magnitude_ = 0;
  torch::Tensor fired_;
  Deviation residual_;
  PartialMean fvu_, cosine_, nmae_;
  std::optional<Activity> activity_;
  std::optional<Monosemanticity> monosemanticity_;
};

}  // namespace msae::eval
