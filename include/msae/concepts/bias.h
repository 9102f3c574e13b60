/// \file
/// How two groups of rows differ in their concepts, and what a classifier of the groups looks at.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "msae/concepts/codes.h"
#include "msae/core/export.h"

namespace msae::concepts {

/// How groups are compared.
struct MSAE_EXPORT GroupOptions {
  std::int64_t resamples = 1000;  ///< of the bootstrap, at least 1
  double confidence = 0.95;       ///< of the intervals, between 0 and 1
  std::uint64_t seed = 42;        ///< of the bootstrap

  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// How a latent differs between the rows that have an attribute and those that have not. The fields' defaults
/// where a latent is active in neither.
struct GroupDifference {
  std::int64_t latent = 0;    ///< which
  std::int64_t rows = 0;      ///< it is active on
  double active_with = 0;     ///< share of the rows with the attribute that it is active on
  double active_without = 0;  ///< and of the others
  double mean_with = 0;       ///< mean value over all rows with the attribute
  double mean_without = 0;    ///< and over the others
  double effect = 0;          ///< Cohen's d: difference of the means over the pooled standard deviation
  /// Area under the ROC curve: the chance that a row with the attribute has more of the latent than one
  /// without, ties counting half.
  double auc = 0.5;
  double auc_low = 0.5;   ///< of the percentile interval of the bootstrap, rows drawn within the groups
  double auc_high = 0.5;  ///< its other end
  double p = 1;           ///< two-sided, of Mann and Whitney's test: normal approximation, corrected for ties
  double q = 1;           ///< p after Benjamini and Hochberg, over latents that are active on any row
};

/// Compares two groups of rows in all latents.
/// \param codes     of the rows
/// \param attribute [rows], 0 or 1
/// \param options   intervals
/// \param progress  called with the share of latents done; may throw to stop
/// \return [latents], in their order
/// \throws std::invalid_argument when an option is impossible, the attribute has another number of rows, a
///         value that is neither 0 nor 1, or one value alone
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT std::vector<GroupDifference> compare_groups(const Codes& codes,
                                                        std::span<const std::uint8_t> attribute,
                                                        const GroupOptions& options = {},
                                                        const std::function<void(double)>& progress = {});

/// Area under the ROC curve of scores, ties counting half.
/// \param scores   [rows]
/// \param positive [rows], 0 or 1, with at least one of each
MSAE_EXPORT double area_under_roc(std::span<const double> scores, std::span<const std::uint8_t> positive);

/// How the classifier of a dependence study is fitted.
struct MSAE_EXPORT DependenceOptions {
  std::int64_t folds = 5;   ///< each row is scored by a classifier fitted to the other folds; at least 2
  double l2 = 1e-3;         ///< as eval::ProbeOptions::l2, positive
  std::uint64_t seed = 42;  ///< of the folds, which have equal shares of both groups

  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// What a linear classifier of an attribute loses with some concepts.
struct Dependence {
  double auc = 0;        ///< of the classifier on rows as they are
  double steered = 0;    ///< of the same classifier on rows without the concepts
  double retrained = 0;  ///< of a classifier fitted to rows without them: what other directions still tell
  /// [latents]: AUC of the classifier on rows without that latent alone; equal to `auc` where it has no
  /// entry.
  std::vector<double> without = {};
};

/// Fits logistic regressions of an attribute to unit rows, and removes concepts from rows by steering: x
/// loses value * decoder row, everything else stays (the CelebA study of Zaigrajew et al., arXiv 2502.20578).
/// \param embeddings [rows, dim], raw
/// \param codes      of these rows; of models with normalise_rows times the rows' deviations
/// \param dictionary [latents, dim], what a latent of value 1 adds to a raw embedding: decoder / scale
/// \param attribute  [rows], 0 or 1
/// \param removed    latents to remove together
/// \param options    how to fit
/// \param progress   called with the share of the folds that are done; may throw to stop
/// \throws std::invalid_argument as compare_groups(), when a latent is none, or a group has fewer rows than
///         there are folds
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT Dependence attribute_dependence(const torch::Tensor& embeddings, const Codes& codes,
                                            const torch::Tensor& dictionary,
                                            std::span<const std::uint8_t> attribute,
                                            const std::vector<std::int64_t>& removed,
                                            const DependenceOptions& options = {},
                                            const std::function<void(double)>& progress = {});

}  // namespace msae::concepts
