#include "msae/concepts/profile.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "concepts/unsign.h"
#include "ops/torch_executor.h"

namespace msae::concepts {
namespace {

// [entries], as columns have them: the place of each latent in its row, from 1.
std::vector<std::int32_t> ranks_by_column(const Codes& codes, const CodeColumns& columns) {
  std::vector<std::int32_t> ranks(codes.latent.size());
  auto next = columns.begin;
  std::vector<std::int32_t> order, place;
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto latents = codes.latents_of(row);
    const auto values = codes.values_of(row);
    order.resize(latents.size());
    place.resize(latents.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      const auto of_a = std::abs(values[unsign(a)]), of_b = std::abs(values[unsign(b)]);
      return of_a != of_b ? of_a > of_b : a < b;
    });
    for (std::size_t i = 0; i < order.size(); ++i) place[unsign(order[i])] = static_cast<std::int32_t>(i) + 1;
    for (std::size_t i = 0; i < latents.size(); ++i) {
      ranks[unsign(next[unsign(latents[i])]++)] = place[i];
    }
  }
  return ranks;
}

double median(std::span<std::int32_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<TopRow> top_rows(const CodeColumns& columns, std::int64_t latent, std::int64_t most) {
  const auto rows = columns.rows_of(latent);
  const auto values = columns.values_of(latent);
  std::vector<TopRow> top(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) top[i] = {rows[i], values[i]};
  const auto kept = static_cast<std::ptrdiff_t>(std::min<std::size_t>(unsign(most), top.size()));
  std::partial_sort(top.begin(), top.begin() + kept, top.end(), [](const TopRow& a, const TopRow& b) {
    const auto of_a = std::abs(a.value), of_b = std::abs(b.value);
    return of_a != of_b ? of_a > of_b : a.row < b.row;
  });
  top.resize(static_cast<std::size_t>(kept));
  return top;
}

// Over the rows of one latent, how often each other one is there; `counts` is [latents] of zeros, and is left
// so.
std::vector<Companion> companions(const Codes& codes, const CodeColumns& columns, std::int64_t latent,
                                  std::int64_t most, std::vector<std::int32_t>& counts) {
  std::vector<std::int32_t> seen;
  const auto rows = columns.rows_of(latent);
  for (const auto row : rows) {
    for (const auto other : codes.latents_of(row)) {
      if (counts[unsign(other)]++ == 0) seen.push_back(other);
    }
  }
  std::vector<Companion> found;
  const auto all = static_cast<double>(codes.rows), own = static_cast<double>(rows.size());
  for (const auto other : seen) {
    const auto share = counts[unsign(other)] / own;
    // Of whole numbers: what is chance is exactly 1.
    const auto lift =
        counts[unsign(other)] * all / (own * static_cast<double>(columns.rows_of(other).size()));
    if (other != latent && lift > 1) found.push_back({other, share, lift});
    counts[unsign(other)] = 0;
  }
  const auto score = [](const Companion& c) { return c.share * std::log2(c.lift); };
  const auto kept = static_cast<std::ptrdiff_t>(std::min<std::size_t>(unsign(most), found.size()));
  std::partial_sort(found.begin(), found.begin() + kept, found.end(), [&](const auto& a, const auto& b) {
    return score(a) != score(b) ? score(a) > score(b) : a.latent < b.latent;
  });
  found.resize(static_cast<std::size_t>(kept));
  return found;
}

}  // namespace

void ProfileOptions::validate() const {
  if (top < 0) throw std::invalid_argument("top: must not be negative, not " + std::to_string(top));
  if (companions < 0) {
    throw std::invalid_argument("companions: must not be negative, not " + std::to_string(companions));
  }
}

std::vector<LatentProfile> profiles(const Codes& codes, const ProfileOptions& options) {
  options.validate();
  const auto columns = columns_of(codes);
  auto ranks = ranks_by_column(codes, columns);
  std::vector<LatentProfile> result(unsign(codes.latents));
  const auto& executor = ops::torch_executor();
  std::vector<std::vector<std::int32_t>> counts(static_cast<std::size_t>(executor.workers()));
  executor.run(codes.latents, [&](std::int64_t latent, int worker) {
    auto& profile = result[unsign(latent)];
    const auto values = columns.values_of(latent);
    profile.rows = static_cast<std::int64_t>(values.size());
    if (profile.rows == 0) return;
    profile.frequency = static_cast<double>(profile.rows) / static_cast<double>(codes.rows);
    double sum = 0, with_sign = 0;
    for (const auto value : values) {
      with_sign += value;
      sum += std::abs(value);
      profile.maximum = std::max(profile.maximum, std::abs(value));
    }
    profile.mean = sum / static_cast<double>(profile.rows);
    profile.typical = with_sign / static_cast<double>(profile.rows);
    profile.rank = median(std::span(ranks).subspan(unsign(columns.begin[unsign(latent)]), values.size()));
    profile.top = top_rows(columns, latent, options.top);
    if (options.companions == 0) return;
    auto& own = counts[static_cast<std::size_t>(worker)];
    own.resize(unsign(codes.latents));
    profile.companions = companions(codes, columns, latent, options.companions, own);
  });
  return result;
}

std::int64_t level_of(const models::SparseAutoencoder& model, double rank) {
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation());
  if (!nested || rank <= 0) return -1;
  for (std::size_t level = 0; level < nested->levels.size(); ++level) {
    if (rank <= static_cast<double>(nested->levels[level])) return static_cast<std::int64_t>(level);
  }
  return -1;
}

}  // namespace msae::concepts
