#include "msae/models/activation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "models/check_positive.h"

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

void check_levels(const std::vector<std::int64_t>& levels, std::int64_t latents, const char* field) {
  const auto name = std::string(field) + ": ";
  if (levels.empty()) refuse(name + "at least one is needed");
  if (levels.size() > 64) refuse(name + "at most 64, not " + std::to_string(levels.size()));
  std::int64_t before = 0;
  for (const auto level : levels) {
    if (level <= before) {
      refuse(name + "must ascend from 1 or more, but " + std::to_string(level) +
             (before == 0 ? " is the first" : " follows " + std::to_string(before)));
    }
    before = level;
  }
  if (before > latents) {
    refuse(name + std::to_string(before) + " is more than the number of latents, " + std::to_string(latents));
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

struct Validator {
  std::int64_t latents;

  void operator()(const Relu&) const {}
  void operator()(const TopK& topk) const { check_k(topk.k, latents); }
  void operator()(const BatchTopK& batch) const { check_k(batch.k, latents); }
  void operator()(const Matryoshka& nested) const {
    check_levels(nested.levels, latents, "levels");
    check_weights(nested.weights, nested.levels.size());
  }
  void operator()(const JumpRelu& jump) const {
    check_positive(jump.threshold, "threshold");
    check_positive(jump.bandwidth, "bandwidth");
  }
  void operator()(const PrefixMatryoshka& nested) const {
    check_k(nested.k, latents);
    check_levels(nested.sizes, latents, "sizes");
    if (nested.sizes.back() != latents) {
      refuse("sizes: the last one must be the number of latents, " + std::to_string(latents) + ", not " +
             std::to_string(nested.sizes.back()));
    }
    check_weights(nested.weights, nested.sizes.size());
  }
};

constexpr const char* ranking_names[] = {"positive", "value", "magnitude"};

}  // namespace

void check_positive(double value, const char* field) {
  using Float = std::numeric_limits<float>;
  if (value >= Float::min() && value <= Float::max()) return;
  std::ostringstream sentence;
  sentence << field << ": must be positive and finite in float32, not " << value;
  refuse(sentence.str());
}

std::string ranking_name(Ranking ranking) {
  return ranking_names[static_cast<std::size_t>(ranking)];
}

Ranking ranking_named(const std::string& name) {
  const auto* found = std::find(std::begin(ranking_names), std::end(ranking_names), name);
  if (found == std::end(ranking_names)) refuse("ranking: must be positive, value or magnitude, not " + name);
  return static_cast<Ranking>(found - std::begin(ranking_names));
}

std::string kind(const Activation& activation) {
  static const char* const names[] = {"relu",       "topk",      "batch-topk",
                                      "matryoshka", "jump-relu", "prefix-matryoshka"};
  static_assert(std::variant_size_v<Activation> == std::size(names));
  return names[activation.index()];
}

std::int64_t level_count(const Activation& activation) {
  if (const auto* nested = std::get_if<Matryoshka>(&activation)) return std::ssize(nested->levels);
  if (const auto* nested = std::get_if<PrefixMatryoshka>(&activation)) return std::ssize(nested->sizes);
  return 1;
}

bool chooses_over_batch(const Activation& activation) {
  const auto* nested = std::get_if<Matryoshka>(&activation);
  return (nested && nested->batch) || std::holds_alternative<BatchTopK>(activation) ||
         std::holds_alternative<PrefixMatryoshka>(activation);
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
  constexpr std::int64_t widest = 512;
  for (std::int64_t k = 8; k <= widest && k < latents; k *= 2) levels.push_back(k);
  if (latents <= widest) levels.push_back(latents);
  return levels;
}

std::vector<std::int64_t> default_prefixes(std::int64_t latents) {
  std::vector<std::int64_t> sizes;
  for (const std::int64_t share : {8, 4, 2, 1}) {
    const auto size = latents / share;
    if (size > (sizes.empty() ? 0 : sizes.back())) sizes.push_back(size);
  }
  return sizes;
}

std::vector<double> reverse_weights(std::size_t levels) {
  std::vector<double> weights(levels);
  for (std::size_t i = 0; i < levels; ++i) weights[i] = static_cast<double>(levels - i);
  return weights;
}

std::vector<double> trapezoid_weights(const std::vector<std::int64_t>& levels) {
  if (levels.size() < 2) return std::vector<double>(levels.size(), 1.0);
  std::vector<double> weights(levels.size());
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double half = std::log2(static_cast<double>(levels[i + 1]) / static_cast<double>(levels[i])) / 2;
    weights[i] += half;
    weights[i + 1] += half;
  }
  return weights;
}

std::vector<double> level_weights(const Activation& activation) {
  std::vector<double> weights;
  if (const auto* nested = std::get_if<Matryoshka>(&activation)) weights = nested->weights;
  if (const auto* nested = std::get_if<PrefixMatryoshka>(&activation)) weights = nested->weights;
  if (weights.empty()) weights.assign(static_cast<std::size_t>(level_count(activation)), 1);
  return weights;
}

void validate(const Activation& activation, std::int64_t latents) {
  std::visit(Validator{latents}, activation);
}

}  // namespace msae::models
