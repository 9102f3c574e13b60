// Differences between two groups as a web page.
#pragma once

#include <string>
#include <vector>

#include "msae/concepts/bias.h"

namespace msae::cli {

/// A row of the table.
struct BiasRow {
  std::string name;
  bool named = false;
  concepts::GroupDifference difference;
  double auc_without = 0;  ///< of the classifier on rows without this latent
};

struct BiasReport {
  std::string run, data, attribute, point, codes;
  std::int64_t with = 0, without = 0;  ///< rows
  double confidence = 0.95;
  std::vector<BiasRow> rows;  ///< those most apart first
  concepts::Dependence dependence;
  std::int64_t removed = 0;      ///< latents, together
  std::int64_t significant = 0;  ///< latents of q below 0.05
  std::int64_t compared = 0;     ///< latents that are active on any row
};

/// The page: a plot of the areas with their intervals, and the table.
std::string to_page(const BiasReport& report);

/// Header and cells that table and page have.
std::vector<std::string> bias_header();
std::vector<std::string> bias_cells(const BiasRow& row);

}  // namespace msae::cli
