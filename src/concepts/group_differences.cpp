#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "concepts/groups.h"
#include "concepts/unsign.h"
#include "data/random.h"
#include "msae/concepts/bias.h"
#include "msae/core/memory.h"
#include "ops/torch_executor.h"

namespace msae::concepts {
namespace {

/// A latent's entries by value ascending; those of equal value, and all zeros, are ties.
struct Ranked {
  std::vector<std::int32_t> row;
  std::vector<std::size_t> tie_end;  // of each run of equal values
  std::size_t negatives = 0;         // entries below zero, which come first
};

Ranked ranked(const CodeColumns& columns, std::int64_t latent) {
  const auto rows = columns.rows_of(latent);
  const auto values = columns.values_of(latent);
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  Ranked result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    result.row.push_back(rows[order[i]]);
    if (values[order[i]] < 0) result.negatives = i + 1;
    if (i + 1 == order.size() || values[order[i]] != values[order[i + 1]]) result.tie_end.push_back(i + 1);
  }
  return result;
}

/// Wins of rows with the attribute over rows without it, where rows count as often as each resample says; all
/// resamples at once, as a row's counts lie together. And of the first resample the sum of t^3 - t over ties
/// of t rows.
class Wins {
 public:
  /// \param times [rows, count]
  Wins(std::span<const std::uint8_t> attribute, const Groups& groups, const std::uint8_t* times,
       std::size_t count)
      : attribute_(attribute),
        groups_(groups),
        times_(times),
        wins_(count),
        below_(count),
        with_(count),
        without_(count) {}

  void count(const Ranked& ranked) {
    std::size_t i = 0;
    bool zeros_taken = false;
    for (const auto end : ranked.tie_end) {
      if (!zeros_taken && i >= ranked.negatives) {
        take_zeros(ranked);
        zeros_taken = true;
      }
      for (; i < end; ++i) add(ranked.row[i], 1);
      take();
    }
    if (!zeros_taken) take_zeros(ranked);
  }

  const std::vector<double>& wins() const { return wins_; }
  double ties() const { return ties_; }

 private:
  void add(std::int32_t row, double sign) {
    auto& to = attribute_[unsign(row)] == 1 ? with_ : without_;
    const auto* times = times_ + unsign(row) * to.size();
    for (std::size_t r = 0; r < to.size(); ++r) to[r] += sign * times[r];
  }

  // All rows but those with an entry.
  void take_zeros(const Ranked& ranked) {
    std::fill(with_.begin(), with_.end(), static_cast<double>(groups_.with));
    std::fill(without_.begin(), without_.end(), static_cast<double>(groups_.without));
    for (const auto row : ranked.row) add(row, -1);
    take();
  }

  void take() {
    const auto tied = with_[0] + without_[0];
    ties_ += tied * tied * tied - tied;
    for (std::size_t r = 0; r < wins_.size(); ++r) {
      wins_[r] += with_[r] * (below_[r] + without_[r] / 2);
      below_[r] += without_[r];
    }
    std::fill(with_.begin(), with_.end(), 0);
    std::fill(without_.begin(), without_.end(), 0);
  }

  std::span<const std::uint8_t> attribute_;
  Groups groups_;
  const std::uint8_t* times_;
  std::vector<double> wins_, below_, with_, without_;
  double ties_ = 0;
};

// How often each resample has each row: [rows, resamples], so that a row's numbers lie together.
std::vector<std::uint8_t> draw_resamples(std::span<const std::uint8_t> attribute,
                                         const GroupOptions& options) {
  std::vector<std::size_t> members[2];
  for (std::size_t i = 0; i < attribute.size(); ++i) members[attribute[i]].push_back(i);
  const auto count = unsign(options.resamples);
  require_memory(saturating_product(attribute.size(), count), "the bootstrap");
  std::vector<std::uint8_t> times(attribute.size() * count);
  for (std::size_t r = 0; r < count; ++r) {
    data::Random random(data::mix(options.seed, r));
    for (const auto& group : members) {
      for (std::size_t i = 0; i < group.size(); ++i) {
        const auto row =
            group[static_cast<std::size_t>(random.uniform() * static_cast<double>(group.size()))];
        auto& own = times[row * count + r];
        if (own < 255) ++own;
      }
    }
  }
  return times;
}

// Linear between neighbours, as most programs have it.
double quantile(const std::vector<double>& sorted, double share) {
  const auto at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

// Two-sided, of a standard normal.
double p_of(double z) {
  return std::erfc(std::abs(z) / std::sqrt(2.0));
}

void take_moments(GroupDifference& found, const CodeColumns& columns, std::span<const std::uint8_t> attribute,
                  const Groups& groups) {
  double active[2] = {}, sum[2] = {}, squares[2] = {};
  const auto rows = columns.rows_of(found.latent);
  const auto values = columns.values_of(found.latent);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto group = attribute[unsign(rows[i])];
    ++active[group];
    sum[group] += values[i];
    squares[group] += double{values[i]} * values[i];
  }
  const auto with = static_cast<double>(groups.with), without = static_cast<double>(groups.without);
  found.rows = static_cast<std::int64_t>(rows.size());
  found.active_with = active[1] / with;
  found.active_without = active[0] / without;
  found.mean_with = sum[1] / with;
  found.mean_without = sum[0] / without;
  const auto spread = squares[1] - with * found.mean_with * found.mean_with + squares[0] -
                      without * found.mean_without * found.mean_without;
  const auto freedom = with + without - 2;
  const auto deviation = freedom > 0 ? std::sqrt(std::max(0.0, spread) / freedom) : 0;
  const auto difference = found.mean_with - found.mean_without;
  found.effect = deviation > 0     ? difference / deviation
                 : difference == 0 ? 0
                                   : std::copysign(INFINITY, difference);
}

// Among latents that are active on any row: the others are no tests.
void control_false_discoveries(std::vector<GroupDifference>& found) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].rows > 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return found[a].p < found[b].p; });
  double least = 1;
  for (auto i = order.size(); i-- > 0;) {
    const auto rank = static_cast<double>(i + 1), count = static_cast<double>(order.size());
    least = std::min(least, found[order[i]].p * count / rank);
    found[order[i]].q = least;
  }
}

}  // namespace

void GroupOptions::validate() const {
  if (resamples < 1) {
    throw std::invalid_argument("resamples: must be at least 1, not " + std::to_string(resamples));
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw std::invalid_argument("confidence: must be between 0 and 1, not " + std::to_string(confidence));
  }
}

std::vector<GroupDifference> compare_groups(const Codes& codes, std::span<const std::uint8_t> attribute,
                                            const GroupOptions& options,
                                            const std::function<void(double)>& progress) {
  options.validate();
  const auto groups = groups_of(attribute, codes.rows);
  const auto columns = columns_of(codes);
  const auto times = draw_resamples(attribute, options);
  const std::vector<std::uint8_t> once(attribute.size(), 1);
  const auto with = static_cast<double>(groups.with), without = static_cast<double>(groups.without);
  const auto pairs = with * without, all = with + without;
  std::vector<GroupDifference> found(unsign(codes.latents));
  ops::torch_executor().run(codes.latents, [&](std::int64_t latent, int worker) {
    if (progress && worker == 0) progress(static_cast<double>(latent) / static_cast<double>(codes.latents));
    auto& own = found[unsign(latent)];
    own.latent = latent;
    take_moments(own, columns, attribute, groups);
    if (own.rows == 0) return;
    const auto by_value = ranked(columns, latent);
    Wins measured(attribute, groups, once.data(), 1);
    measured.count(by_value);
    const auto wins = measured.wins()[0];
    own.auc = wins / pairs;
    const auto variance = pairs / 12 * (all + 1 - measured.ties() / (all * (all - 1)));
    own.p = variance > 0 ? p_of((wins - pairs / 2) / std::sqrt(variance)) : 1;
    Wins resampled(attribute, groups, times.data(), unsign(options.resamples));
    resampled.count(by_value);
    auto aucs = resampled.wins();
    std::sort(aucs.begin(), aucs.end());
    own.auc_low = quantile(aucs, (1 - options.confidence) / 2) / pairs;
    own.auc_high = quantile(aucs, (1 + options.confidence) / 2) / pairs;
  });
  control_false_discoveries(found);
  return found;
}

}  // namespace msae::concepts
