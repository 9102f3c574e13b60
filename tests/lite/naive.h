/// \file
/// What a model computes, slowly and in float64, by the formulas of models::SparseAutoencoder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "lite/hand_made.h"
#include "msae/models/operating_point.h"

namespace msae::test {

class Naive {
 public:
  explicit Naive(const HandMade& model) : m_(model) {}

  /// Latents [latents] of a raw row [dim].
  std::vector<double> encode(const std::vector<double>& row, models::OperatingPoint point) const {
    const auto pre = pre_activations(row);
    std::vector<double> z(pre.size());
    const double c = m_.config.soft_cap;
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (keeps(pre, i, point)) z[i] = c > 0 ? c * std::tanh(pre[i] / c) : pre[i];
    }
    return z;
  }

  /// A raw row [dim] of latents [latents], and of the row that was encoded.
  std::vector<double> decode(const std::vector<double>& z,
                             const std::optional<std::vector<double>>& row) const {
    std::vector<double> out(dim());
    for (std::size_t j = 0; j < dim(); ++j) {
      double sum = pre_bias(j);
      for (std::size_t i = 0; i < z.size(); ++i) sum += z[i] * decoder(i, j);
      out[j] = sum;
    }
    if (row && m_.config.normalise_rows) {
      const auto moments = moments_of(normalised(*row));
      for (auto& value : out) value = value * moments.deviation + moments.mean;
    }
    for (std::size_t j = 0; j < dim(); ++j) out[j] = out[j] / m_.config.scale + m_.config.mean[j];
    return out;
  }

  /// What latents have to add up to, in model space: [dim].
  std::vector<double> target(const std::vector<double>& row) const {
    auto u = standardised(row);
    for (std::size_t j = 0; j < dim(); ++j) u[j] -= pre_bias(j);
    return u;
  }

  /// [latents][dim], in model space.
  std::vector<std::vector<double>> dictionary() const {
    std::vector<std::vector<double>> rows(latents(), std::vector<double>(dim()));
    for (std::size_t i = 0; i < latents(); ++i) {
      for (std::size_t j = 0; j < dim(); ++j) rows[i][j] = decoder(i, j);
    }
    return rows;
  }

  /// Latents of a row at most: where there is a k, also of those that the encoder would not keep.
  std::size_t most(const std::vector<double>& row, models::OperatingPoint point) const {
    using Kind = models::OperatingPoint::Kind;
    const auto* nested = std::get_if<models::Matryoshka>(&m_.config.activation);
    const auto* topk = std::get_if<models::TopK>(&m_.config.activation);
    const bool is_relu = std::holds_alternative<models::Relu>(m_.config.activation);
    const auto level = point.kind == Kind::level ? static_cast<std::size_t>(point.value) : 0;
    if (point.kind == Kind::top) return static_cast<std::size_t>(point.value);
    if (point.kind == Kind::all || is_relu) return latents();
    if (topk) return static_cast<std::size_t>(topk->k);
    if (nested && !nested->batch) return static_cast<std::size_t>(nested->levels[level]);
    const auto pre = pre_activations(row);
    std::size_t count = 0;
    for (std::size_t i = 0; i < pre.size(); ++i) count += keeps(pre, i, point) ? 1 : 0;
    return count;
  }

  /// Latents of a point that rank best, that many of them; 0: all.
  std::vector<std::size_t> best(const std::vector<double>& row, models::OperatingPoint point,
                                std::int64_t candidates) const {
    const auto* nested = std::get_if<models::PrefixMatryoshka>(&m_.config.activation);
    auto among = latents();
    if (nested && point.kind == models::OperatingPoint::Kind::level) {
      among = static_cast<std::size_t>(nested->sizes[static_cast<std::size_t>(point.value)]);
    }
    auto pre = pre_activations(row);
    pre.resize(among);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < among; ++i) {
      if (candidates == 0 || is_among(pre, i, candidates)) found.push_back(i);
    }
    return found;
  }

 private:
  struct Moments {
    double mean, deviation;
  };

  std::size_t dim() const { return static_cast<std::size_t>(m_.config.dim); }
  std::size_t latents() const { return static_cast<std::size_t>(m_.config.latents); }
  double pre_bias(std::size_t j) const { return (m_.decoder_bias[j] - m_.config.mean[j]) * m_.config.scale; }
  double decoder(std::size_t i, std::size_t j) const { return m_.decoder[i * dim() + j] * m_.config.scale; }
  double encoder(std::size_t i, std::size_t j) const {
    return m_.config.tied ? decoder(i, j) : m_.encoder[j * latents() + i] / m_.config.scale;
  }

  std::vector<double> normalised(const std::vector<double>& row) const {
    std::vector<double> u(dim());
    for (std::size_t j = 0; j < dim(); ++j) u[j] = (row[j] - m_.config.mean[j]) * m_.config.scale;
    return u;
  }

  static Moments moments_of(const std::vector<double>& u) {
    const auto count = static_cast<double>(u.size());
    const double mean = std::accumulate(u.begin(), u.end(), 0.0) / count;
    double squares = 0;
    for (const auto value : u) squares += (value - mean) * (value - mean);
    return {mean, std::sqrt(squares / (count - 1))};
  }

  std::vector<double> standardised(const std::vector<double>& row) const {
    auto u = normalised(row);
    if (m_.config.normalise_rows) {
      const auto moments = moments_of(u);
      for (auto& value : u) value = (value - moments.mean) / (moments.deviation + 1e-5);
    }
    return u;
  }

  std::vector<double> pre_activations(const std::vector<double>& row) const {
    const auto u = standardised(row);
    std::vector<double> pre = m_.latent_bias;
    for (std::size_t i = 0; i < pre.size(); ++i) {
      for (std::size_t j = 0; j < dim(); ++j) pre[i] += (u[j] - pre_bias(j)) * encoder(i, j);
    }
    return pre;
  }

  double score(double p) const { return m_.config.ranking == models::Ranking::magnitude ? std::abs(p) : p; }

  bool is_among(const std::vector<double>& pre, std::size_t latent, std::int64_t k) const {
    std::int64_t better = 0;
    for (std::size_t i = 0; i < pre.size(); ++i) {
      const auto one = score(pre[i]), other = score(pre[latent]);
      if (one > other || (one == other && i < latent)) ++better;
    }
    return better < k;
  }

  bool keeps(const std::vector<double>& pre, std::size_t i, models::OperatingPoint point) const {
    using Kind = models::OperatingPoint::Kind;
    const auto& activation = m_.config.activation;
    const auto passes = m_.config.ranking == models::Ranking::positive ? pre[i] > 0 : pre[i] != 0;
    if (!passes || point.kind == Kind::all) return passes;
    if (point.kind == Kind::top) return is_among(pre, i, point.value);
    const auto level = point.kind == Kind::level ? static_cast<std::size_t>(point.value) : 0;
    if (const auto* topk = std::get_if<models::TopK>(&activation)) return is_among(pre, i, topk->k);
    if (std::holds_alternative<models::Relu>(activation)) return true;
    if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) {
      return nested->batch ? score(pre[i]) > m_.config.thresholds[level]
                           : is_among(pre, i, nested->levels[level]);
    }
    const auto* nested = std::get_if<models::PrefixMatryoshka>(&activation);
    const bool inside =
        !nested || point.kind != Kind::level || static_cast<std::int64_t>(i) < nested->sizes[level];
    return inside && score(pre[i]) > m_.threshold[i];
  }

  const HandMade& m_;
};

}  // namespace msae::test
