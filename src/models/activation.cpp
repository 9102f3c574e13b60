#include "msae/models/activation.h"

#include <cmath>
#include <stdexcept>

namespace msae::models {
namespace {

[[noreturn]] void refuse(const std::string& sentence) {
  throw std::invalid_argument(sentence);
}

void check_k(std::int64_t k, std::int64_t latents) {
  if (k < 1 || k > latents) {
    refuse("k: must be from 1 to the number of latents, " + std::to_string(latents) + ", not " +
           std::to_string(k));
  }
}

void check_levels(const std::vector<std::int64_t>& levels, std::int64_t latents) {
  if (levels.empty()) refuse("levels: at least one is needed");
  if (levels.size() > 64) refuse("levels: at most 64, not " + std::to_string(levels.size()));
  std::int64_t before = 0;
  for (const auto level : levels) {
    if (level <= before) {
      refuse("levels: must ascend from 1 or more, but " + std::to_string(level) +
             (before == 0 ? " is the first" : " follows " + std::to_string(before)));
    }
    before = level;
  }
  if (before > latents) {
    refuse("levels: " + std::to_string(before) + " is more than the number of latents, " +
           std::to_string(latents));
  }
}

void check_weights(const std::vector<double>& weights, std::size_t levels) {
  if (weights.empty()) return;
  if (weights.size() != levels) {
    refuse("weights: one is needed for each of the " + std::to_string(levels) + " levels, not " +
           std::to_string(weights.size()));
  }
  double sum = 0;
  for (const auto weight : weights) {
    if (!(weight >= 0) || !std::isfinite(weight)) refuse("weights: must be finite and not negative");
    sum += weight;
  }
  if (!(sum > 0)) refuse("weights: at least one must be positive");
  if (!std::isfinite(sum)) refuse("weights: their sum is too large");
}

}  // namespace

std::string kind(const Activation& activation) {
  static const char* const names[] = {"relu", "topk", "batch-topk", "matryoshka"};
  static_assert(std::variant_size_v<Activation> == std::size(names));
  return names[activation.index()];
}

std::vector<std::int64_t> doubling_levels(std::int64_t first, std::int64_t latents) {
  if (first < 1 || first > latents) {
    refuse("levels: the first must be from 1 to the number of latents, " + std::to_string(latents) +
           ", not " + std::to_string(first));
  }
  std::vector<std::int64_t> levels;
  for (std::int64_t k = first; k<latents; k = k> latents / 2 ? latents : 2 * k) levels.push_back(k);
  levels.push_back(latents);
  return levels;
}

std::vector<std::int64_t> default_levels(std::int64_t latents) {
  std::vector<std::int64_t> levels;
  for (std::int64_t k = 8; k <= 512 && k < latents; k *= 2) levels.push_back(k);
  levels.push_back(latents);
  return levels;
}

std::vector<double> reverse_weights(std::size_t levels) {
  std::vector<double> weights(levels);
  for (std::size_t i = 0; i < levels; ++i) weights[i] = static_cast<double>(levels - i);
  return weights;
}

std::vector<double> level_weights(const Matryoshka& nested) {
  return nested.weights.empty() ? std::vector<double>(nested.levels.size(), 1) : nested.weights;
}

void validate(const Activation& activation, std::int64_t latents) {
  if (const auto* topk = std::get_if<TopK>(&activation)) check_k(topk->k, latents);
  if (const auto* batch = std::get_if<BatchTopK>(&activation)) check_k(batch->k, latents);
  if (const auto* nested = std::get_if<Matryoshka>(&activation)) {
    check_levels(nested->levels, latents);
    check_weights(nested->weights, nested->levels.size());
  }
}

}  // namespace msae::models
