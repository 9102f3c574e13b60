#include "models/pursuit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "models/active_set.h"
#include "models/vector_math.h"

namespace msae::models {
namespace {

// Rows that one task takes: of all latents, enough for dense products to be worth it, but no more than what
// each keeps has room for in so many bytes.
constexpr std::int64_t rows_among_all = 64, rows_with_candidates = 8;
constexpr std::int64_t bytes_among_all = 64 << 20;

// Of so many members or more per dimension, products with what is left of a row cost less by one dense
// product for many rows than by adding up the members' products.
constexpr double dense_from = 0.2;

std::size_t unsign(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

// Share of a product that may be rounding.
template <typename T>
double rounding(std::int64_t dim) {
  return 4 * std::sqrt(static_cast<double>(dim)) * static_cast<double>(std::numeric_limits<T>::epsilon());
}

// Members of a row at most: decoder rows beyond as many as there are dimensions are sums of the others.
template <typename T>
std::int64_t most_members(const Dictionary<T>& dictionary, const PursuitTask<T>& task) {
  const auto k = task.ks.empty() ? 0 : task.ks.back();
  return std::max<std::int64_t>(1, std::min({k, dictionary.dim, dictionary.latents}));
}

}  // namespace

// A worker's rows, and what it needs for them. Members are told by their places among a row's candidates,
// which are the latents themselves where a row has none of its own.
template <typename T>
class Pursuit<T>::Block {
 public:
  Block(const Pursuit& all, const PursuitTask<T>& task, const TakeCode& take)
      : all_(all),
        task_(task),
        take_(take),
        dim_(unsign(all.dictionary_.dim)),
        own_(!task.starts.empty()),
        width_(unsign(all.dictionary_.latents)) {}

  // One after another while a row's members are few, as what is read for them then stays in the cache;
  // together where dense products are worth it.
  void run(std::int64_t first, std::int64_t last) {
    const auto count = unsign(last - first);
    while (rows_.size() < count) rows_.emplace_back(all_.dictionary_, task_);
    if (!own_) {
      start_.resize(count * width_);
      all_.correlate_(last - first, target(first), start_.data());
    }
    std::vector<Row*> crowded;
    for (std::size_t i = 0; i < count; ++i) {
      begin(rows_[i], first + static_cast<std::int64_t>(i), i);
      if (!pursue(rows_[i])) crowded.push_back(&rows_[i]);
    }
    while (!crowded.empty()) {
      compare(crowded);
      auto* now = now_.data();
      std::erase_if(crowded, [&](Row* row) {
        const bool is_done = !join(*row, now) || emit(*row);
        now += width_;
        return is_done;
      });
    }
  }

 private:
  struct Row {
    Row(const Dictionary<T>& dictionary, const PursuitTask<T>& task)
        : set(dictionary.any_sign, std::max(1e-9, 8 * rounding<T>(dictionary.dim)),
              unsign(most_members(dictionary, task))) {}

    std::int64_t number = 0;
    std::size_t next = 0;      // of ks
    double floor = 0;          // up to which products are rounding
    double explained = 0;      // when members last left
    const T* start = nullptr;  // [candidates], products with the target
    ActiveSet set;
  };

  const T* target(std::int64_t row) const { return task_.targets + unsign(row) * dim_; }
  const T* decoder(std::int32_t latent) const { return all_.dictionary_.rows + unsign(latent) * dim_; }
  const T* gram(std::int32_t latent) const {
    return all_.gram_.data() + unsign(latent) * unsign(all_.dictionary_.latents);
  }
  std::int32_t latent_at(std::int32_t place) const { return own_ ? candidates_[unsign(place)] : place; }
  std::int64_t most(const Row& row, std::size_t which) const {
    const auto k = task_.ks[which];
    return task_.limits.empty() ? k : std::min(k, task_.limits[unsign(row.number)]);
  }

  void begin(Row& row, std::int64_t number, std::size_t in_block) {
    const auto* values = target(number);
    row.number = number;
    row.next = 0;
    row.floor = rounding<T>(all_.dictionary_.dim) * std::sqrt(static_cast<double>(dot(values, values, dim_)));
    row.explained = 0;
    row.set.clear();
    by_gram_ = !all_.gram_.empty();
    if (own_) take_candidates(number);
    row.start = own_ ? start_.data() : start_.data() + in_block * width_;
  }

  // Ascending: the first of equal ones is then the lower latent.
  void take_candidates(std::int64_t number) {
    const auto from = unsign(task_.starts[unsign(number)]), to = unsign(task_.starts[unsign(number) + 1]);
    const auto given = task_.candidates.subspan(from, to - from);
    candidates_.assign(given.begin(), given.end());
    if (!std::is_sorted(given.begin(), given.end())) std::sort(candidates_.begin(), candidates_.end());
    width_ = candidates_.size();
    start_.resize(width_);
    norms_.resize(width_);
    for (std::size_t i = 0; i < width_; ++i) {
      start_[i] = dot(decoder(candidates_[i]), target(number), dim_);
      norms_[i] = all_.inverse_norms_[unsign(candidates_[i])];
    }
    slots_.assign(width_, none);
    used_ = 0;
  }

  // True where all codes of the row are given away; false where dense products cost less from here on.
  bool pursue(Row& row) {
    if (emit(row)) return true;
    const bool all_may_join =
        own_ && task_.ks.size() == 1 && most(row, 0) >= static_cast<std::int64_t>(width_);
    if (all_may_join && row.floor > 0) {  // not of a zero target
      take_all(row);
      if (emit(row)) return true;
    }
    const auto few = by_gram_ ? dense_from * static_cast<double>(dim_) : 1;
    while (own_ || static_cast<double>(row.set.size()) < few) {
      compare(row);
      if (!join(row, now_.data()) || emit(row)) return true;
    }
    return false;
  }

  // Products of all candidates with what is left of a row.
  void compare(const Row& row) {
    now_.resize(width_);
    if (by_gram_ || row.set.size() == 0) {
      subtract(
          row, row.start, width_, [&](std::int32_t place) { return products(place); }, now_.data());
      return;
    }
    left_.resize(dim_);
    subtract_decoders(row, left_.data());
    for (std::size_t i = 0; i < width_; ++i) now_[i] = dot(decoder(candidates_[i]), left_.data(), dim_);
  }

  // Of all latents, with what is left of each row.
  void compare(const std::vector<Row*>& rows) {
    left_.resize(rows.size() * dim_);
    now_.resize(rows.size() * width_);
    for (std::size_t i = 0; i < rows.size(); ++i) subtract_decoders(*rows[i], left_.data() + i * dim_);
    all_.correlate_(static_cast<std::int64_t>(rows.size()), left_.data(), now_.data());
  }

  void subtract_decoders(const Row& row, T* left) {
    subtract(
        row, target(row.number), dim_, [&](std::int32_t place) { return decoder(latent_at(place)); }, left);
  }

  // left = whole - sum of the members' values times their vectors
  template <typename VectorOf>
  void subtract(const Row& row, const T* whole, std::size_t size, VectorOf vector_of, T* left) {
    factors_.clear();
    vectors_.clear();
    for (const auto value : row.set.values()) factors_.push_back(static_cast<T>(-value));
    for (const auto place : row.set.members()) vectors_.push_back(vector_of(place));
    std::copy_n(whole, size, left);
    add_rows(factors_.data(), vectors_.data(), vectors_.size(), left, size);
  }

  // Gives away the codes of all k that are reached; true where none is left.
  bool emit(Row& row) {
    const auto size = static_cast<std::int64_t>(row.set.size());
    while (row.next < task_.ks.size() && most(row, row.next) <= size) give(row);
    return row.next == task_.ks.size();
  }

  void give(Row& row) {
    latents_.clear();
    for (const auto place : row.set.members()) latents_.push_back(latent_at(place));
    take_(row.number, row.next++, latents_, row.set.values());
  }

  // Takes in the best latent; false where there is none, after all codes are given away.
  bool join(Row& row, T* now) {
    const bool any_sign = all_.dictionary_.any_sign;
    const auto* norms = own_ ? norms_.data() : all_.inverse_norms_.data();
    for (const auto place : row.set.members()) now[place] = 0;
    while (width_ > 0) {
      const auto place = largest_product(now, norms, width_, any_sign);
      const auto product = static_cast<double>(now[place]) * static_cast<double>(norms[place]);
      if (!((any_sign ? std::abs(product) : product) > row.floor)) break;
      if (add(row, static_cast<std::int32_t>(place))) {
        if (explains_more(row)) return true;
        break;
      }
      now[place] = 0;  // a sum of the members
    }
    while (row.next < task_.ks.size()) give(row);
    return false;
  }

  // Without rounding that is always so, which is why no members are met twice; with it they could be.
  static bool explains_more(Row& row) {
    if (row.set.left().empty()) return true;
    const auto before = std::exchange(row.explained, row.set.explained());
    return row.explained > before;
  }

  bool add(Row& row, std::int32_t place) {
    multiply_with_members(row, place);
    return row.set.add(place, correlation(row, place), square(place), with_members_);
  }

  // With few that have to leave, much less work than one after another.
  void take_all(Row& row) {
    by_gram_ = false;  // what is left to compare is hardly worth to gather products for
    for (std::int32_t place = 0; unsign(place) < width_; ++place) {
      multiply_with_members(row, place);
      row.set.push(place, correlation(row, place), square(place), with_members_);
    }
    row.set.settle();
    row.explained = row.set.explained();
  }

  double correlation(const Row& row, std::int32_t place) const {
    return static_cast<double>(row.start[place]);
  }
  double square(std::int32_t place) const { return all_.squares_[unsign(latent_at(place))]; }

  void multiply_with_members(const Row& row, std::int32_t place) {
    with_members_.clear();
    const auto latent = latent_at(place);
    const auto* others = by_gram_ ? products(place) : nullptr;
    for (const auto member : row.set.members()) {
      with_members_.push_back(
          static_cast<double>(others ? others[member] : product(latent, latent_at(member))));
    }
  }

  T product(std::int32_t a, std::int32_t b) const {
    return all_.gram_.empty() ? dot(decoder(a), decoder(b), dim_) : gram(a)[b];
  }

  // Of one candidate and all, where the dictionary's are known.
  const T* products(std::int32_t place) {
    const auto* all = gram(latent_at(place));
    if (!own_) return all;
    auto& slot = slots_[unsign(place)];
    if (slot != none) return gathered_[slot].data();
    slot = used_++;
    if (gathered_.size() < used_) gathered_.emplace_back();
    auto& own = gathered_[slot];
    own.resize(width_);
    for (std::size_t i = 0; i < width_; ++i) own[i] = all[candidates_[i]];
    return own.data();
  }

  static constexpr auto none = std::numeric_limits<std::size_t>::max();

  const Pursuit& all_;
  const PursuitTask<T>& task_;
  const TakeCode& take_;
  std::size_t dim_;
  bool own_;           // candidates of each row
  std::size_t width_;  // candidates
  bool by_gram_ = false;
  std::vector<Row> rows_;
  std::vector<T> start_;  // [rows or 1, candidates], products with the targets
  std::vector<T> now_;    // as many, with what is left of them
  std::vector<T> left_;   // [rows or 1, dim]
  // Of a row with candidates of its own:
  std::vector<std::int32_t> candidates_;  // ascending
  std::vector<T> norms_;                  // [candidates], inverse
  std::vector<std::size_t> slots_;        // [candidates], among those gathered
  std::vector<std::vector<T>> gathered_;  // [used], [candidates]
  std::size_t used_ = 0;
  // For a moment:
  std::vector<T> factors_;
  std::vector<const T*> vectors_;
  std::vector<double> with_members_;
  std::vector<std::int32_t> latents_;
};

template <typename T>
Pursuit<T>::Pursuit(Dictionary<T> dictionary, kernels::Product<T> product, const kernels::Executor& executor)
    : dictionary_(dictionary), product_(std::move(product)), executor_(executor) {
  correlate_ = product_.by(/*transposed=*/true, dictionary_.latents, dictionary_.dim, dictionary_.rows);
  const auto dim = unsign(dictionary_.dim);
  for (std::int64_t i = 0; i < dictionary_.latents; ++i) {
    const auto* row = dictionary_.rows + unsign(i) * dim;
    const auto square = dot(row, row, dim);
    squares_.push_back(static_cast<double>(square));
    inverse_norms_.push_back(square > 0 ? 1 / std::sqrt(square) : 0);
  }
}

template <typename T>
void Pursuit<T>::prepare(std::uint64_t bytes) {
  const auto latents = unsign(dictionary_.latents), dim = unsign(dictionary_.dim);
  if (latents > bytes / sizeof(T) / latents) return;
  std::vector<T> gram(latents * latents);
  kernels::run_shares(executor_, dictionary_.latents, 128, [&](std::int64_t first, std::int64_t last, int) {
    correlate_(last - first, dictionary_.rows + unsign(first) * dim, gram.data() + unsign(first) * latents);
  });
  // Of two that differ by rounding one, so that a pair of latents has one product.
  kernels::run_shares(executor_, dictionary_.latents, 128, [&](std::int64_t first, std::int64_t last, int) {
    for (std::size_t j = 0; j < unsign(last); ++j) {
      for (auto i = std::max(unsign(first), j + 1); i < unsign(last); ++i) {
        gram[i * latents + j] = gram[j * latents + i];
      }
    }
  });
  gram_ = std::move(gram);
}

template <typename T>
void Pursuit<T>::run(const PursuitTask<T>& task, const TakeCode& take) const {
  const auto most = most_members(dictionary_, task);
  const auto fit = std::max<std::int64_t>(1, bytes_among_all / (most * most * std::int64_t{sizeof(double)}));
  const auto each = task.starts.empty() ? std::min(rows_among_all, fit) : rows_with_candidates;
  std::vector<std::unique_ptr<Block>> of_worker(unsign(executor_.workers()));
  executor_.run((task.rows + each - 1) / each, [&](std::int64_t block, int worker) {
    auto& mine = of_worker[unsign(worker)];
    if (!mine) mine = std::make_unique<Block>(*this, task, take);
    mine->run(block * each, std::min(task.rows, (block + 1) * each));
  });
}

template class Pursuit<float>;
template class Pursuit<double>;

}  // namespace msae::models
