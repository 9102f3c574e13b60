#include "lite/selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace msae::lite {
namespace {

using models::Ranking;

void check_range(const std::string& field, std::int64_t value, std::int64_t most) {
  if (value >= 0 && value <= most) return;
  throw std::invalid_argument(field + ": must be from 0 to " + std::to_string(most) + ", not " +
                              std::to_string(value));
}

std::size_t level_of(const models::Activation& activation, OperatingPoint point) {
  const auto level = point.kind == OperatingPoint::Kind::level ? point.value : 0;
  const auto count = models::level_count(activation);
  if (count == 1 && level != 0) {
    throw std::invalid_argument("level: must be 0 for a " + models::kind(activation) + " model, not " +
                                std::to_string(level));
  }
  check_range("level", level, count - 1);
  return static_cast<std::size_t>(level);
}

void cap(double soft_cap, std::span<ActiveLatent> entries) {
  const auto most = static_cast<float>(soft_cap);
  for (auto& entry : entries) entry.value = most * std::tanh(entry.value / most);
}

}  // namespace

Choice choice_at(const Model& model, OperatingPoint point) {
  using Kind = OperatingPoint::Kind;
  const auto& options = model.options;
  const float least = options.ranking == Ranking::positive ? 0 : -std::numeric_limits<float>::infinity();
  Choice choice{.among = options.latents, .k = options.latents, .threshold = least, .thresholds = {}};
  if (point.kind == Kind::all) return choice;
  if (point.kind == Kind::top) {
    check_range("k", point.value, options.latents);
    choice.k = point.value;
    return choice;
  }
  const auto& activation = options.activation;
  const auto level = level_of(activation, point);
  const auto* nested = std::get_if<models::Matryoshka>(&activation);
  const auto* prefixes = std::get_if<models::PrefixMatryoshka>(&activation);
  if (const auto* topk = std::get_if<models::TopK>(&activation)) choice.k = topk->k;
  if (nested && !nested->batch) choice.k = nested->levels[level];
  if (models::chooses_over_batch(activation)) {
    choice.threshold = std::max(least, model.thresholds[nested ? level : 0]);
  }
  if (std::holds_alternative<models::JumpRelu>(activation)) choice.thresholds = model.thresholds;
  choice.by_threshold = !model.thresholds.empty();
  if (prefixes && point.kind == Kind::level) choice.among = prefixes->sizes[level];
  return choice;
}

void append_best(const models::SparseAutoencoderOptions& options, const Choice& choice,
                 std::span<const float> pre, std::vector<ActiveLatent>& entries) {
  const bool by_size = options.ranking == Ranking::magnitude;
  const auto score = [&](float value) { return by_size ? std::abs(value) : value; };
  const auto first = static_cast<std::ptrdiff_t>(entries.size());
  // Each takes the next place, and the one after it that place again where it stays out: a branch that no
  // processor can foresee would take as long as all else here.
  auto count = entries.size();
  entries.resize(count + static_cast<std::size_t>(choice.among));
  for (std::size_t i = 0; i < static_cast<std::size_t>(choice.among); ++i) {
    const auto threshold = choice.thresholds.empty() ? choice.threshold : choice.thresholds[i];
    entries[count] = {static_cast<std::int32_t>(i), pre[i]};
    count += score(pre[i]) > threshold ? 1 : 0;
  }
  entries.resize(count);
  if (std::ssize(entries) - first > choice.k) {
    const auto cut = entries.begin() + first + choice.k;
    std::nth_element(entries.begin() + first, cut, entries.end(), [&](const auto& a, const auto& b) {
      const auto one = score(a.value), other = score(b.value);
      return one != other ? one > other : a.latent < b.latent;
    });
    entries.erase(cut, entries.end());
    std::sort(entries.begin() + first, entries.end(),
              [](const auto& a, const auto& b) { return a.latent < b.latent; });
  }
}

void append_kept(const models::SparseAutoencoderOptions& options, const Choice& choice,
                 std::span<const float> pre, std::vector<ActiveLatent>& entries) {
  const auto first = static_cast<std::ptrdiff_t>(entries.size());
  append_best(options, choice, pre, entries);
  // Zeros have a rank, where no sign is asked for, but are never active.
  entries.erase(std::remove_if(entries.begin() + first, entries.end(),
                               [](const auto& entry) { return entry.value == 0; }),
                entries.end());
  if (options.soft_cap > 0)
    cap(options.soft_cap, std::span(entries).subspan(static_cast<std::size_t>(first)));
}

}  // namespace msae::lite
