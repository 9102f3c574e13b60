// A training step from its definition: every level decoded anew, every gradient summed over the levels that
// an entry is part of.
#pragma once

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cpu/step.h"
#include "kernels/naive.h"

namespace msae::kernels::test {

template <typename T>
void multiply(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b, T* c) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (std::int64_t d = 0; d < k; ++d) sum += a[i * k + d] * (transposed ? b[j * k + d] : b[d * n + j]);
      c[i * n + j] = sum;
    }
  }
}

template <typename T>
Product<T> plain_product() {
  return {.by = [](bool transposed, std::int64_t n, std::int64_t k, const T* b) {
    return [=](std::int64_t m, const T* a, T* c) { multiply(transposed, m, n, k, a, b, c); };
  }};
}

/// All that a step reads.
template <typename T>
struct Problem {
  StepOptions options;
  double factor = 1;
  Table<T> batch;                       ///< [rows, dim]
  Table<T> encoder, decoder;            ///< [latents, dim]
  Table<T> latent_bias;                 ///< [1, latents]
  Table<T> pre_bias;                    ///< [1, dim]
  std::vector<std::uint8_t> dead = {};  ///< [latents], or empty

  std::int64_t rows() const { return batch.rows(); }
  std::int64_t dim() const { return batch.columns(); }
  std::int64_t latents() const { return encoder.rows(); }
};

/// All that a step computes.
struct NaiveStep {
  double loss = 0, residual = 0, deviation = 0;
  std::int64_t active = 0, entries = 0, levels = 0;
  std::vector<double> smallest;
  Table<std::uint8_t> fired;
  Table<double> encoder, decoder, latent_bias, pre_bias;  ///< gradients
  Table<double> output_bias;  ///< the part of pre_bias's gradient that is added to reconstructions
  Table<double> left;         ///< x - the widest reconstruction
};

/// Pre-activations are those that the step itself computes, to the bit: selections depend on it.
template <typename T>
Table<double> pre_activations(const Problem<T>& problem) {
  Table<T> input(problem.rows(), problem.dim()), pre(problem.rows(), problem.latents());
  for (std::int64_t b = 0; b < problem.rows(); ++b) {
    for (std::int64_t d = 0; d < problem.dim(); ++d)
      input(b, d) = problem.batch(b, d) - problem.pre_bias(0, d);
  }
  multiply(true, problem.rows(), problem.latents(), problem.dim(), input.data(), problem.encoder.data(),
           pre.data());
  Table<double> result(problem.rows(), problem.latents());
  for (std::int64_t b = 0; b < problem.rows(); ++b) {
    for (std::int64_t j = 0; j < problem.latents(); ++j) {
      const T sum = pre(b, j) + problem.latent_bias(0, j);
      result(b, j) = static_cast<double>(sum);
    }
  }
  return result;
}

/// Numbers of the places, by (value descending, number ascending), those that are not positive left out.
inline std::vector<std::int64_t> ranked(std::vector<std::int64_t> places, const Table<double>& pre) {
  const auto value = [&](std::int64_t place) { return pre.data()[place]; };
  places.erase(std::remove_if(places.begin(), places.end(), [&](auto place) { return !(value(place) > 0); }),
               places.end());
  std::stable_sort(places.begin(), places.end(), [&](auto a, auto b) { return value(a) > value(b); });
  return places;
}

/// The level of each positive pre-activation: the first that keeps it; those that none keeps are left out.
inline std::vector<Entry> kept_entries(const Table<double>& pre, const StepOptions& options) {
  const auto rows = pre.rows(), latents = pre.columns();
  std::vector<Entry> kept;
  const auto keep = [&](std::int64_t first_row, std::int64_t row_count) {
    std::vector<std::int64_t> places(static_cast<std::size_t>(row_count * latents));
    std::iota(places.begin(), places.end(), first_row * latents);
    std::int64_t rank = 0, level = 0;
    for (const auto place : ranked(std::move(places), pre)) {
      const auto level_count = static_cast<std::int64_t>(options.levels.size());
      while (level < level_count && rank >= options.levels[static_cast<std::size_t>(level)] * row_count)
        ++level;
      if (level == level_count) return;
      kept.push_back({place / latents, place % latents, level, pre.data()[place]});
      ++rank;
    }
  };
  if (options.over_batch) {
    keep(0, rows);
  } else {
    for (std::int64_t b = 0; b < rows; ++b) keep(b, 1);
  }
  return kept;
}

inline double latent_of(double pre, double cap) {
  return cap > 0 ? cap * std::tanh(pre / cap) : pre;
}

template <typename T>
class NaiveStepper {
 public:
  /// \param left what auxk explains, where it is not what this very step leaves over
  explicit NaiveStepper(const Problem<T>& problem, const Table<double>* left = nullptr)
      : p_(problem), pre_(pre_activations(problem)), kept_(kept_entries(pre_, problem.options)) {
    auto& o = out_;
    o.encoder = o.decoder = Table<double>(p_.latents(), p_.dim());
    o.latent_bias = Table<double>(1, p_.latents());
    o.pre_bias = o.output_bias = Table<double>(1, p_.dim());
    o.fired = Table<std::uint8_t>(1, p_.latents());
    measure_rows();
    count();
    for (std::size_t l = 0; l < p_.options.levels.size(); ++l) add_level(static_cast<std::int64_t>(l));
    if (p_.options.l1 > 0) add_l1();
    if (p_.options.auxk > 0) add_auxiliary(left ? *left : o.left);
  }

  const NaiveStep& result() const { return out_; }

 private:
  double x(std::int64_t b, std::int64_t d) const { return static_cast<double>(p_.batch(b, d)); }
  double w(std::int64_t j, std::int64_t d) const { return static_cast<double>(p_.decoder(j, d)); }
  double latent(const Entry& entry) const { return latent_of(entry.value, p_.options.soft_cap); }

  void measure_rows() {
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      double square = 0;
      for (std::int64_t d = 0; d < p_.dim(); ++d) square += x(b, d) * x(b, d);
      square_.push_back(square);
      out_.deviation += square;
      counted_ += square > 0 ? 1 : 0;
    }
  }

  void count() {
    const auto level_count = static_cast<std::int64_t>(p_.options.levels.size());
    std::int64_t positive = 0;
    for (std::int64_t i = 0; i < p_.rows() * p_.latents(); ++i) positive += pre_.data()[i] > 0 ? 1 : 0;
    for (std::int64_t l = 0; l < level_count; ++l) {
      std::int64_t kept = 0;
      double smallest = std::numeric_limits<double>::infinity();
      for (const auto& entry : kept_) {
        if (entry.level > l) continue;
        ++kept;
        smallest = std::min(smallest, entry.value);
      }
      if (l == 0) out_.active = kept;
      out_.levels = l + 1;
      if (p_.options.over_batch) out_.smallest.push_back(smallest);
      if (kept == positive) break;
    }
    if (p_.options.over_batch) {
      const auto last = out_.smallest.back();
      out_.smallest.resize(p_.options.levels.size(), last);
    }
    out_.entries = static_cast<std::int64_t>(kept_.size());
    for (const auto& entry : kept_) out_.fired(0, entry.latent) = 1;
  }

  // An entry's latent has the gradient ds.
  void pass_on(const Entry& entry, double ds) {
    const auto cap = p_.options.soft_cap;
    const auto dp = cap > 0 ? ds * (1 - latent(entry) / cap * (latent(entry) / cap)) : ds;
    out_.latent_bias(0, entry.latent) += dp;
    for (std::int64_t d = 0; d < p_.dim(); ++d) {
      out_.encoder(entry.latent, d) += dp * (x(entry.row, d) - static_cast<double>(p_.pre_bias(0, d)));
      out_.pre_bias(0, d) -= dp * static_cast<double>(p_.encoder(entry.latent, d));
    }
  }

  // A row's reconstruction, to which an entry adds, has the gradient g.
  void pass_on(const Entry& entry, const Table<double>& g) {
    double ds = 0;
    for (std::int64_t d = 0; d < p_.dim(); ++d) {
      out_.decoder(entry.latent, d) += latent(entry) * g(entry.row, d);
      ds += g(entry.row, d) * w(entry.latent, d);
    }
    pass_on(entry, ds);
  }

  void add_level(std::int64_t level) {
    Table<double> e(p_.rows(), p_.dim());
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      for (std::int64_t d = 0; d < p_.dim(); ++d) e(b, d) = static_cast<double>(p_.pre_bias(0, d)) - x(b, d);
    }
    for (const auto& entry : kept_) {
      if (entry.level > level) continue;
      for (std::int64_t d = 0; d < p_.dim(); ++d) e(entry.row, d) += latent(entry) * w(entry.latent, d);
    }
    out_.left = e;
    auto g = e;
    const auto weight = p_.factor * p_.options.weights[static_cast<std::size_t>(level)];
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      const auto square = square_[static_cast<std::size_t>(b)];
      auto scale = 1 / static_cast<double>(p_.rows() * p_.dim());
      if (!p_.options.squared) scale = square > 0 ? 1 / (square * static_cast<double>(counted_)) : 0;
      for (std::int64_t d = 0; d < p_.dim(); ++d) {
        out_.loss += weight * scale * e(b, d) * e(b, d);
        if (level == 0) out_.residual += e(b, d) * e(b, d);
        out_.left(b, d) = -e(b, d);
        g(b, d) = 2 * weight * scale * e(b, d);
        out_.pre_bias(0, d) += g(b, d);
        out_.output_bias(0, d) += g(b, d);
      }
    }
    for (const auto& entry : kept_) {
      if (entry.level <= level) pass_on(entry, g);
    }
  }

  void add_l1() {
    const auto& o = p_.options;
    for (const auto& entry : kept_) {
      const auto square = square_[static_cast<std::size_t>(entry.row)];
      auto scale = p_.factor * o.l1 / static_cast<double>(p_.rows());
      if (o.l1_by_norm) {
        scale = square > 0 ? p_.factor * o.l1 / (static_cast<double>(counted_) * std::sqrt(square)) : 0;
      }
      out_.loss += scale * latent(entry);
      pass_on(entry, scale);
    }
  }

  // left is no function of anything.
  void add_auxiliary(const Table<double>& left) {
    auto masked = pre_;
    bool any = false;
    for (std::int64_t j = 0; j < p_.latents(); ++j) {
      if (!p_.dead.empty() && p_.dead[static_cast<std::size_t>(j)] != 0) {
        any = true;
      } else {
        for (std::int64_t b = 0; b < p_.rows(); ++b) masked(b, j) = -1;
      }
    }
    if (!any) return;
    StepOptions one_level;
    one_level.levels = {p_.options.auxk_latents};
    const auto explaining = kept_entries(masked, one_level);
    Table<double> off(p_.rows(), p_.dim());  // what they make of it - left
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      for (std::int64_t d = 0; d < p_.dim(); ++d) off(b, d) = -left(b, d);
    }
    for (const auto& entry : explaining) {
      for (std::int64_t d = 0; d < p_.dim(); ++d) off(entry.row, d) += latent(entry) * w(entry.latent, d);
    }
    std::vector<double> square(static_cast<std::size_t>(p_.rows()));
    double counted = 0;
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      auto& s = square[static_cast<std::size_t>(b)];
      for (std::int64_t d = 0; d < p_.dim(); ++d) s += left(b, d) * left(b, d);
      counted += s > 0 ? 1 : 0;
    }
    auto g = off;
    for (std::int64_t b = 0; b < p_.rows(); ++b) {
      const auto s = square[static_cast<std::size_t>(b)];
      const auto scale = s > 0 ? p_.factor * p_.options.auxk / (counted * s) : 0;
      for (std::int64_t d = 0; d < p_.dim(); ++d) {
        out_.loss += scale * off(b, d) * off(b, d);
        g(b, d) = 2 * scale * off(b, d);
      }
    }
    for (const auto& entry : explaining) pass_on(entry, g);
  }

  const Problem<T>& p_;
  Table<double> pre_;
  std::vector<Entry> kept_;
  std::vector<double> square_;
  std::int64_t counted_ = 0;
  NaiveStep out_;
};

template <typename T>
NaiveStep naive_step(const Problem<T>& problem, const Table<double>* left = nullptr) {
  return NaiveStepper<T>(problem, left).result();
}

}  // namespace msae::kernels::test
