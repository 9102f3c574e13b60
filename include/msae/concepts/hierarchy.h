/// \file
/// Which latents are special cases of which.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "msae/concepts/codes.h"
#include "msae/core/export.h"

namespace msae::concepts {

/// When one latent is another's parent.
struct MSAE_EXPORT HierarchyOptions {
  /// Least share of the child's rows in which the parent is present. From 0 to 1.
  double present = 0.5;
  /// How many times as many rows as the child the parent has to be active on; above 1, or there could be
  /// circles.
  double broader = 1.2;
  double lift = 3;  ///< least ratio of that share and the share of all rows, at least 1
  /// Least share of the child's rows in which the parent is active, unless `cosine` is reached. From 0 to 1.
  double active = 0.5;
  /// Least cosine of the two rows of the dictionary, unless `active` is reached: a child that takes over its
  /// parent's part has some of its direction. From -1 to 1.
  double cosine = 0.2;
  /// Least cosine in any case: what points away is no special case. From -1 to 1.
  double least_cosine = -0.1;
  std::int64_t fewest_rows = 20;   ///< of those looked at that a latent in the tree is active on
  std::int64_t most_rows = 65536;  ///< rows to look at, evenly spaced over all

  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// A latent's place in the tree, with measured probabilities.
struct HierarchyNode {
  std::int32_t parent = -1;                 ///< latent, or none
  std::int32_t depth = 0;                   ///< 0 for a root
  double present = 0;                       ///< P(parent present | this one active)
  double active = 0;                        ///< P(parent active | this one active)
  double lift = 0;                          ///< `present` over P(parent present)
  double cosine = 0;                        ///< of the two rows of the dictionary
  std::vector<std::int32_t> children = {};  ///< those active on more rows first
};

/// Finds each latent's parent, by conditional co-activation and the geometry of the decoder.
///
/// A latent that fires together with a broader one may take over the broader one's part, so that this one is
/// not among the row's latents although its concept is there ("feature absorption", Chanin et al., arXiv
/// 2409.14507). So a latent counts as *present* in a row where its direction is: where the projection of the
/// row's reconstruction, without pre_bias, on its row of the dictionary is no smaller than the (upper) median
/// of that over the rows on which the latent itself is active. The parent of a latent is, of all latents that
/// are present in enough of its rows, more often there than elsewhere, active on more rows, and either active
/// with it or alike in direction, the one that is active on the fewest rows.
///
/// Costs two passes of rows x dim x latents operations and [latents, latents] counts, of latents that are
/// active on enough rows.
/// \param dictionary [latents, dim], e.g. SparseAutoencoder::decoder
/// \param codes      of rows that the latents are to be compared on
/// \param options    how strict to be
/// \param progress   called with the share of the work done; may throw to stop
/// \return [latents]; those that are active on too few rows have no parent and no children
/// \throws std::invalid_argument when an option is impossible
/// \throws c10::Error when shapes do not fit
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT std::vector<HierarchyNode> find_hierarchy(const torch::Tensor& dictionary, const Codes& codes,
                                                      const HierarchyOptions& options = {},
                                                      const std::function<void(double)>& progress = {});

/// How well a tree of latents has the edges of a known one.
struct HierarchyRecovery {
  std::int64_t edges = 0;     ///< found between latents that stand for a true concept
  double precision = 0;       ///< share of those whose parent stands for the true parent
  double ancestors = 0;       ///< share of those whose parent stands for a true ancestor
  std::int64_t possible = 0;  ///< true edges both of whose concepts some latent of the tree stands for
  double recall = 0;          ///< share of those that were found
  std::int64_t truth = 0;     ///< all true edges
};

/// Holds a tree against the truth, e.g. of synthetic data. A latent stands for the true concept whose
/// direction is nearest to its row of the dictionary, if the cosine is at least `least_cosine`.
/// \param dictionary   [latents, dim]
/// \param nodes        [latents]
/// \param in_tree      [latents]: whether a latent was active on enough rows to have a place
/// \param truth        [concepts, dim]
/// \param parent       [concepts], -1 for a root
/// \param least_cosine from 0 to 1
/// \throws c10::Error when shapes do not fit
MSAE_EXPORT HierarchyRecovery hierarchy_recovery(const torch::Tensor& dictionary,
                                                 const std::vector<HierarchyNode>& nodes,
                                                 const std::vector<bool>& in_tree, const torch::Tensor& truth,
                                                 const std::vector<std::int32_t>& parent,
                                                 double least_cosine = 0.6);

}  // namespace msae::concepts
