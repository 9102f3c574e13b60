#include "lite/coder.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "lite/eigen.h"
#include "models/sparse_codes.h"

namespace msae::lite {
namespace {

using Row = std::span<const float>;

// One row is read along the matrix as it lies in memory: see pre_activations() in encoder.cpp.
void times_transposed(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b,
                      float* c) {
  const auto size = [](std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
  };
  const auto left = matrix_of(Row(a, size(m, k)), k), right = matrix_of(Row(b, size(n, k)), k);
  auto product = matrix_of(std::span<float>(c, size(m, n)), n);
  if (m > 1) {
    product.noalias() = left * right.transpose();
  } else {
    for (std::int64_t i = 0; i < n; ++i) c[i] = right.row(i).dot(left.row(0));
  }
}

kernels::Product<float> product() {
  return {[](bool transposed, std::int64_t n, std::int64_t k, const float* b) -> kernels::TimesMatrix<float> {
    if (transposed) {
      return [=](std::int64_t m, const float* a, float* c) { times_transposed(m, n, k, a, b, c); };
    }
    return [=](std::int64_t m, const float* a, float* c) {
      const auto left = matrix_of(Row(a, static_cast<std::size_t>(m * k)), k);
      const auto right = matrix_of(Row(b, static_cast<std::size_t>(k * n)), n);
      matrix_of(std::span<float>(c, static_cast<std::size_t>(m * n)), n).noalias() = left * right;
    };
  }};
}

}  // namespace

models::Pursuit<float> pursuit_of(const Model& model, std::int64_t latents) {
  static const kernels::Serial serial;
  const bool any_sign = model.options.ranking != models::Ranking::positive;
  return {{model.decoder.data(), latents, model.options.dim, any_sign}, product(), serial};
}

Coder::Coder(const Model& model, OperatingPoint point, Coding coding, std::size_t rows)
    : model_(model), choice_(choice_at(model, point)), coding_(coding) {
  coding_.validate();
  if (!solves()) return;
  const auto k = choice_.by_threshold ? std::nullopt : std::optional(choice_.k);
  if (k) models::require_candidates(coding_, std::min(*k, model.options.dim));
  if (choice_.among < model.options.latents) own_.emplace(pursuit_of(model, choice_.among));
  const bool pays =
      models::pays_to_prepare(coding_, choice_.among, model.options.dim, static_cast<std::int64_t>(rows), k);
  if (rows < 2 || !pays) return;
  if (!own_) own_.emplace(*model.pursuit);
  own_->prepare(models::memory_to_prepare());
}

void Coder::append(Row targets, Row pre, SparseRows& codes) const {
  if (solves()) return append_solved(targets, pre, codes);
  const auto latents = static_cast<std::size_t>(model_.options.latents);
  for (; !pre.empty(); pre = pre.subspan(latents)) {
    append_kept(model_.options, choice_, pre.first(latents), codes.entries);
    codes.starts.push_back(codes.entries.size());
  }
}

void Coder::append_solved(Row targets, Row pre, SparseRows& codes) const {
  const auto& options = model_.options;
  const auto latents = static_cast<std::size_t>(options.latents);
  const bool refits = coding_.kind == Coding::Kind::refit;
  const bool is_narrowed = coding_.candidates > 0 && coding_.candidates < choice_.among;
  const Choice best{.among = choice_.among,
                    .k = coding_.candidates,
                    .threshold = -std::numeric_limits<float>::infinity(),
                    .thresholds = {}};
  std::vector<std::int64_t> most, starts{0};
  std::vector<std::int32_t> candidates;
  std::vector<ActiveLatent> entries;
  for (; !pre.empty(); pre = pre.subspan(latents)) {
    const auto row = pre.first(latents);
    entries.clear();
    if (refits || choice_.by_threshold) append_kept(options, choice_, row, entries);
    const auto kept = static_cast<std::int64_t>(entries.size());
    most.push_back(refits ? kept : std::min(choice_.by_threshold ? kept : choice_.k, options.dim));
    if (!refits) entries.clear();
    if (is_narrowed) append_best(options, best, row, entries);
    for (const auto& entry : entries) candidates.push_back(entry.latent);
    starts.push_back(static_cast<std::int64_t>(candidates.size()));
  }
  models::CodeTask<float> task{.targets = targets.data(),
                               .rows = static_cast<std::int64_t>(most.size()),
                               .most = {std::move(most)},
                               .starts = {},
                               .candidates = {}};
  if (refits || is_narrowed) {
    task.starts = starts;
    task.candidates = candidates;
  }
  const auto found = models::codes_of(own_ ? *own_ : *model_.pursuit, task).front();
  std::size_t at = 0;
  for (const auto count : found.counts) {
    for (std::int64_t i = 0; i < count; ++i, ++at) {
      codes.entries.push_back({found.latents[at], found.values[at]});
    }
    codes.starts.push_back(codes.entries.size());
  }
}

}  // namespace msae::lite
