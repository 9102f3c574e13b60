#include "msae/concepts/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "concepts/unit.h"
#include "concepts/unsign.h"
#include "data/read_blocks.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "ops/torch_executor.h"

namespace msae::concepts {
namespace {

// So that a row's place in its block takes 16 bits, and the sums of a block stay in a core's cache.
constexpr std::int64_t block_rows = 1 << 16;

bool is_better(const Hit& a, const Hit& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

/// The best rows of those that were offered, in ascending order of rows.
class Best {
 public:
  explicit Best(std::int64_t count) : count_(unsign(count)) {}

  void offer(std::int64_t row, float score) {
    if (hits_.size() == count_) {
      if (!(score > hits_.front().score)) return;
      std::pop_heap(hits_.begin(), hits_.end(), is_better);
      hits_.back() = {row, score};
    } else {
      hits_.push_back({row, score});
    }
    std::push_heap(hits_.begin(), hits_.end(), is_better);
  }

  /// Rows from `first` on.
  void offer_all(std::int64_t first, const std::vector<float>& scores) {
    std::size_t i = 0;
    for (; i < scores.size() && hits_.size() < count_; ++i) {
      offer(first + static_cast<std::int64_t>(i), scores[i]);
    }
    for (; i < scores.size(); ++i) {  // next to none of them are good enough
      if (scores[i] > hits_.front().score) offer(first + static_cast<std::int64_t>(i), scores[i]);
    }
  }

  std::vector<Hit> take() && {
    std::sort(hits_.begin(), hits_.end(), is_better);
    return std::move(hits_);
  }

 private:
  std::size_t count_;
  std::vector<Hit> hits_;  // a heap, the worst in front
};

void require_count(std::int64_t count) {
  if (count < 1) throw std::invalid_argument("count: must be at least 1, not " + std::to_string(count));
}

}  // namespace

class LatentIndex::Impl {
 public:
  Impl(const Codes& codes, std::vector<float> weights)
      : latents_(codes.latents), weights_(std::move(weights)) {
    check_weights();
    const auto blocks = (codes.rows + block_rows - 1) / block_rows;
    const auto lists = saturating_product(unsign(blocks), unsign(latents_ + 1));
    require_memory(saturating_product(codes.latent.size(), 6) + 8 * unsign(codes.rows) +
                       saturating_product(lists, sizeof(std::uint32_t)),
                   "an index of " + std::to_string(codes.rows) + " rows");
    inverse_lengths_.resize(unsign(codes.rows));
    sums_.resize(unsign(codes.rows));
    blocks_.resize(unsign(blocks));
    ops::torch_executor().run(blocks, [&](std::int64_t block, int) { fill(block, codes); });
  }

  std::int64_t rows() const { return static_cast<std::int64_t>(inverse_lengths_.size()); }

  std::uint64_t bytes() const {
    std::uint64_t bytes = 8 * inverse_lengths_.size() + 4 * weights_.size();
    for (const auto& block : blocks_) bytes += 4 * block.begin.size() + 6 * block.row.size();
    return bytes;
  }

  std::vector<Hit> search(const std::vector<QueryLatent>& query, std::int64_t count,
                          Similarity similarity) const {
    require_count(count);
    check(query);
    std::vector<std::vector<Hit>> found(blocks_.size());
    const auto& executor = ops::torch_executor();
    std::vector<std::vector<float>> sums(unsign(executor.workers()));
    executor.run(static_cast<std::int64_t>(blocks_.size()), [&](std::int64_t block, int worker) {
      found[unsign(block)] = search_block(block, query, count, similarity, sums[unsign(worker)]);
    });
    std::vector<Hit> all;
    for (const auto& hits : found) all.insert(all.end(), hits.begin(), hits.end());
    const auto kept = static_cast<std::ptrdiff_t>(std::min(unsign(count), all.size()));
    std::partial_sort(all.begin(), all.begin() + kept, all.end(), is_better);
    all.resize(unsign(kept));
    return all;
  }

 private:
  struct Block {
    std::vector<std::uint32_t> begin;  // [latents + 1]
    std::vector<std::uint16_t> row;    // [entries], within the block, ascending for a latent
    std::vector<float> value;          // [entries]
  };

  float weight(std::int32_t latent) const { return weights_.empty() ? 1 : weights_[unsign(latent)]; }

  void check_weights() const {
    if (weights_.empty()) return;
    if (static_cast<std::int64_t>(weights_.size()) != latents_) {
      throw std::invalid_argument("weights: expected one for each of " + std::to_string(latents_) +
                                  " latents, got " + std::to_string(weights_.size()));
    }
    for (const auto w : weights_) {
      if (!(w >= 0 && std::isfinite(w))) {
        throw std::invalid_argument("weights: must be finite and not negative, not " + std::to_string(w));
      }
    }
  }

  void check(const std::vector<QueryLatent>& query) const {
    std::vector<std::int32_t> seen;
    for (const auto& [latent, value] : query) {
      if (latent < 0 || latent >= latents_) {
        throw std::invalid_argument("query: there is no latent " + std::to_string(latent));
      }
      if (!std::isfinite(value)) throw std::invalid_argument("query: holds NaN or Inf");
      seen.push_back(latent);
    }
    std::sort(seen.begin(), seen.end());
    const auto twice = std::adjacent_find(seen.begin(), seen.end());
    if (twice != seen.end()) {
      throw std::invalid_argument("query: latent " + std::to_string(*twice) + " is there twice");
    }
  }

  void fill(std::int64_t which, const Codes& codes) {
    auto& block = blocks_[unsign(which)];
    const auto first = which * block_rows, last = std::min(first + block_rows, codes.rows);
    block.begin.assign(unsign(latents_) + 1, 0);
    for (auto row = first; row < last; ++row) {
      for (const auto latent : codes.latents_of(row)) ++block.begin[unsign(latent) + 1];
    }
    const auto entries = codes.begin[unsign(last)] - codes.begin[unsign(first)];
    if (entries > std::numeric_limits<std::uint32_t>::max()) {
      throw Error("an index of " + std::to_string(entries) + " latents in 65536 rows; keep fewer");
    }
    for (std::size_t i = 1; i < block.begin.size(); ++i) block.begin[i] += block.begin[i - 1];
    block.row.resize(block.begin.back());
    block.value.resize(block.begin.back());
    auto next = block.begin;
    for (auto row = first; row < last; ++row) {
      const auto latents = codes.latents_of(row);
      const auto values = codes.values_of(row);
      double squares = 0, sum = 0;
      for (std::size_t i = 0; i < latents.size(); ++i) {
        const auto at = next[unsign(latents[i])]++;
        block.row[at] = static_cast<std::uint16_t>(row - first);
        block.value[at] = values[i];
        squares += double{weight(latents[i])} * values[i] * values[i];
        sum += double{weight(latents[i])} * std::abs(values[i]);
      }
      constexpr double most = std::numeric_limits<float>::max();
      inverse_lengths_[unsign(row)] =
          squares > 0 ? static_cast<float>(std::min(1 / std::sqrt(squares), most)) : 0;
      sums_[unsign(row)] = static_cast<float>(sum);
    }
  }

  std::vector<Hit> search_block(std::int64_t which, const std::vector<QueryLatent>& query, std::int64_t count,
                                Similarity similarity, std::vector<float>& sums) const {
    const auto& block = blocks_[unsign(which)];
    const auto first = which * block_rows, last = std::min(first + block_rows, rows());
    sums.assign(unsign(last - first), 0);
    double squares = 0, sum = 0;
    for (const auto& [latent, value] : query) {
      squares += double{weight(latent)} * value * value;
      sum += double{weight(latent)} * std::abs(value);
    }
    // A query of length 1 overflows with none of its products.
    const auto by = similarity == Similarity::cosine && squares > 0 ? 1 / std::sqrt(squares) : 1;
    for (const auto& [latent, value] : query) {
      add(block, latent, static_cast<float>(value * by), similarity, sums);
    }
    Best best(std::min(count, last - first));
    if (similarity == Similarity::cosine) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] *= inverse_lengths_[unsign(first) + i];
    } else {
      // |a - b| = |a| + |b| where one of them is 0, so that what they share is all there is to correct.
      const auto whole = static_cast<float>(sum);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] -= whole + sums_[unsign(first) + i];
    }
    best.offer_all(first, sums);
    return std::move(best).take();
  }

  void add(const Block& block, std::int32_t latent, float value, Similarity similarity,
           std::vector<float>& sums) const {
    const auto begin = block.begin[unsign(latent)], end = block.begin[unsign(latent) + 1];
    const auto w = weight(latent);
    if (similarity == Similarity::cosine) {
      for (auto i = begin; i < end; ++i) sums[block.row[i]] += w * value * block.value[i];
    } else {
      for (auto i = begin; i < end; ++i) {
        const auto other = block.value[i];
        sums[block.row[i]] += w * (std::abs(value) + std::abs(other) - std::abs(value - other));
      }
    }
  }

  std::int64_t latents_;
  std::vector<float> weights_;                 // [latents], or empty
  std::vector<float> inverse_lengths_, sums_;  // [rows], weighted; 0 for a row without a length
  std::vector<Block> blocks_;
};

LatentIndex::LatentIndex(const Codes& codes, std::vector<float> weights)
    : impl_(std::make_unique<Impl>(codes, std::move(weights))) {}
LatentIndex::LatentIndex(LatentIndex&&) noexcept = default;
LatentIndex& LatentIndex::operator=(LatentIndex&&) noexcept = default;
LatentIndex::~LatentIndex() = default;

std::vector<Hit> LatentIndex::search(const std::vector<QueryLatent>& query, std::int64_t count,
                                     Similarity similarity) const {
  return impl_->search(query, count, similarity);
}
std::int64_t LatentIndex::rows() const {
  return impl_->rows();
}
std::uint64_t LatentIndex::bytes() const {
  return impl_->bytes();
}

std::vector<QueryLatent> query_of(const Codes& codes, std::int64_t row) {
  if (row < 0 || row >= codes.rows) {
    throw std::invalid_argument("row: must be from 0 to " + std::to_string(codes.rows - 1) + ", not " +
                                std::to_string(row));
  }
  const auto latents = codes.latents_of(row);
  const auto values = codes.values_of(row);
  std::vector<QueryLatent> query(latents.size());
  for (std::size_t i = 0; i < query.size(); ++i) query[i] = {latents[i], values[i]};
  return query;
}

std::vector<float> rarity_weights(const Codes& codes) {
  std::vector<std::int64_t> rows(unsign(codes.latents));
  for (const auto latent : codes.latent) ++rows[unsign(latent)];
  std::vector<float> weights(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == 0) continue;
    const auto rarity = std::log(static_cast<double>(codes.rows) / static_cast<double>(rows[i]));
    weights[i] = static_cast<float>(rarity * rarity);
  }
  return weights;
}

std::vector<std::vector<Hit>> nearest_rows(data::EmbeddingSource& data, const torch::Tensor& queries,
                                           std::int64_t count, const torch::Tensor& centre,
                                           const std::function<void(double)>& progress) {
  require_count(count);
  TORCH_CHECK(queries.dim() == 2 && queries.size(1) == data.dim(),
              "nearest_rows: expected queries [queries, ", data.dim(), "], got ", queries.sizes());
  TORCH_CHECK(!centre.defined() || (centre.dim() == 1 && centre.size(0) == data.dim()),
              "nearest_rows: expected a centre [", data.dim(), "], got ", centre.sizes());
  TORCH_CHECK(
      queries.isfinite().all().item<bool>() && (!centre.defined() || centre.isfinite().all().item<bool>()),
      "nearest_rows: queries or centre hold NaN or Inf");
  const torch::NoGradGuard no_grad;
  const auto around = centre.defined() ? centre.to(torch::kCPU, torch::kFloat32) : torch::zeros({data.dim()});
  const auto wanted = unit(queries.to(torch::kCPU, torch::kFloat32) - around).contiguous();
  std::vector<Best> best(unsign(wanted.size(0)),
                         Best(std::min(count, std::max<std::int64_t>(1, data.rows()))));
  data::read_blocks(data, progress, [&](std::int64_t first, std::span<float> values) {
    const auto rows = torch::from_blob(
        values.data(), {static_cast<std::int64_t>(values.size()) / data.dim(), data.dim()}, torch::kFloat32);
    const auto cosines = wanted.mm(unit(rows - around).t()).contiguous();
    const auto* at = cosines.const_data_ptr<float>();
    ops::torch_executor().run(wanted.size(0), [&](std::int64_t query, int) {
      for (std::int64_t i = 0; i < rows.size(0); ++i) {
        best[unsign(query)].offer(first + i, at[query * rows.size(0) + i]);
      }
    });
  });
  std::vector<std::vector<Hit>> found;
  found.reserve(best.size());
  for (auto& hits : best) found.push_back(std::move(hits).take());
  return found;
}

}  // namespace msae::concepts
