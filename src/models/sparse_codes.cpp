#include "models/sparse_codes.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "msae/core/memory.h"

namespace msae::models {
namespace {

/// Room for as many latents as each row may have, of which it fills what it gets.
template <typename T>
class Room {
 public:
  explicit Room(const std::vector<std::int64_t>& most) : begin_{0} {
    for (const auto count : most) begin_.push_back(begin_.back() + static_cast<std::size_t>(count));
    rows_ = {.counts = std::vector<std::int64_t>(most.size()),
             .latents = std::vector<std::int32_t>(begin_.back()),
             .values = std::vector<T>(begin_.back())};
  }

  void take(std::int64_t row, std::span<const std::int32_t> latents, std::span<const double> values) {
    std::vector<std::size_t> order(latents.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return latents[a] < latents[b]; });
    auto at = begin_[static_cast<std::size_t>(row)];
    for (const auto i : order) {
      const auto value = static_cast<T>(values[i]);
      if (value == 0) continue;
      rows_.latents[at] = latents[i];
      rows_.values[at++] = value;
    }
    rows_.counts[static_cast<std::size_t>(row)] =
        static_cast<std::int64_t>(at - begin_[static_cast<std::size_t>(row)]);
  }

  /// Without what was left empty.
  CodeRows<T> packed() && {
    std::size_t end = 0;
    for (std::size_t row = 0; row < rows_.counts.size(); ++row) {
      const auto count = static_cast<std::size_t>(rows_.counts[row]), from = begin_[row];
      std::copy_n(rows_.latents.begin() + static_cast<std::ptrdiff_t>(from), count,
                  rows_.latents.begin() + static_cast<std::ptrdiff_t>(end));
      std::copy_n(rows_.values.begin() + static_cast<std::ptrdiff_t>(from), count,
                  rows_.values.begin() + static_cast<std::ptrdiff_t>(end));
      end += count;
    }
    rows_.latents.resize(end);
    rows_.values.resize(end);
    return std::move(rows_);
  }

 private:
  std::vector<std::size_t> begin_;
  CodeRows<T> rows_;
};

}  // namespace

// The code of a number of latents is met on the way to any larger one: a pass stops at each that a point asks
// for, and goes on to the largest that the row needs. For one point, that is all.
template <typename T>
std::vector<CodeRows<T>> codes_of(const Pursuit<T>& pursuit, const CodeTask<T>& task) {
  std::vector<std::int64_t> stops, limits(static_cast<std::size_t>(task.rows));
  std::vector<Room<T>> rooms;
  for (const auto& most : task.most) {
    rooms.emplace_back(most);
    stops.insert(stops.end(), most.begin(), most.end());
    std::transform(most.begin(), most.end(), limits.begin(), limits.begin(),
                   [](auto a, auto b) { return std::max(a, b); });
  }
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  const bool is_one = rooms.size() == 1;
  if (is_one && !stops.empty()) stops = {stops.back()};
  const PursuitTask<T> all{.targets = task.targets,
                           .rows = task.rows,
                           .ks = stops,
                           .limits = limits,
                           .starts = task.starts,
                           .candidates = task.candidates};
  pursuit.run(all, [&](std::int64_t row, std::size_t stop, std::span<const std::int32_t> latents,
                       std::span<const double> values) {
    for (std::size_t i = 0; i < rooms.size(); ++i) {
      if (is_one || task.most[i][static_cast<std::size_t>(row)] == stops[stop]) {
        rooms[i].take(row, latents, values);
      }
    }
  });
  std::vector<CodeRows<T>> codes;
  codes.reserve(rooms.size());
  for (auto& room : rooms) codes.push_back(std::move(room).packed());
  return codes;
}

bool has_candidates(const Coding& coding, std::int64_t k) {
  return coding.candidates == 0 || coding.candidates >= k;
}

void require_candidates(const Coding& coding, std::int64_t k) {
  coding.validate();
  if (has_candidates(coding, k)) return;
  throw std::invalid_argument("candidates: must be at least k, " + std::to_string(k) +
                              ", or 0 for all, not " + std::to_string(coding.candidates));
}

// A product of two decoder rows for each pair of latents, against one for each latent that joins and each
// that may.
bool pays_to_prepare(const Coding& coding, std::int64_t latents, std::int64_t dim, std::int64_t rows,
                     std::optional<std::int64_t> k) {
  constexpr std::int64_t guess = 32;
  const auto joining = std::min(k.value_or(guess), dim);
  const auto choosing_from = coding.kind == Coding::Kind::refit ? joining
                             : coding.candidates > 0            ? std::min(coding.candidates, latents)
                                                                : latents;
  const auto all = static_cast<double>(latents);
  return static_cast<double>(rows) * static_cast<double>(joining) * static_cast<double>(choosing_from) >=
         all * all;
}

std::uint64_t memory_to_prepare() {
  constexpr std::uint64_t most = 1 << 30;
  return std::min(most, available_memory() / 4);
}

template std::vector<CodeRows<float>> codes_of(const Pursuit<float>&, const CodeTask<float>&);
template std::vector<CodeRows<double>> codes_of(const Pursuit<double>&, const CodeTask<double>&);

}  // namespace msae::models
