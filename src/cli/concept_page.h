// A run to look at: one web page, complete in itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/report.h"
#include "cli/small_plots.h"
#include "msae/concepts/hierarchy.h"
#include "msae/concepts/names.h"
#include "msae/concepts/profile.h"

namespace msae::cli {

struct ConceptPage {
  std::string run, point, codes;
  RunReport report = {};           ///< points of the frontier and the levels
  std::vector<Curve> curves = {};  ///< of the training; none where they are not known
  std::vector<concepts::LatentProfile> profiles = {};
  std::vector<std::int64_t> levels = {};            ///< [latents], from 1; 0: none
  std::vector<concepts::HierarchyNode> tree = {};   ///< [latents]
  concepts::Names names = {};                       ///< may be of none
  std::map<std::int64_t, std::string> labels = {};  ///< of rows that are shown
  std::map<std::int64_t, std::string> images = {};  ///< of rows that are shown: addresses for the page
};

/// Latents that have a name and are active on any row.
std::int64_t count_named(const ConceptPage& page);

/// Rows of profiles are their numbers in the file.
std::string to_page(const ConceptPage& page);

}  // namespace msae::cli
