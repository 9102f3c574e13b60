/// \file
/// Codes by least squares as they are defined, slowly, in float64 and without LibTorch.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace msae::test {

using Numbers = std::vector<double>;

inline double product_of(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// What is left of a target without its latents.
inline Numbers residual_of(const std::vector<Numbers>& dictionary, Numbers target,
                           const std::vector<std::size_t>& latents, const Numbers& values) {
  for (std::size_t i = 0; i < latents.size(); ++i) {
    for (std::size_t j = 0; j < target.size(); ++j) target[j] -= values[i] * dictionary[latents[i]][j];
  }
  return target;
}

/// Least squares on a few latents, by the normal equations.
inline Numbers least_squares(const std::vector<Numbers>& dictionary, const Numbers& target,
                             const std::vector<std::size_t>& latents) {
  const auto count = latents.size();
  std::vector<Numbers> rows(count, Numbers(count + 1));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      rows[i][j] = product_of(dictionary[latents[i]], dictionary[latents[j]]);
    }
    rows[i][count] = product_of(dictionary[latents[i]], target);
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto best = i;
    for (auto r = i; r < count; ++r) best = std::abs(rows[r][i]) > std::abs(rows[best][i]) ? r : best;
    std::swap(rows[i], rows[best]);
    for (std::size_t r = 0; r < count; ++r) {
      if (r == i) continue;
      const auto factor = rows[r][i] / rows[i][i];
      for (auto j = i; j <= count; ++j) rows[r][j] -= factor * rows[i][j];
    }
  }
  Numbers values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = rows[i][count] / rows[i][i];
  return values;
}

/// Latents and their values.
struct NaiveCode {
  std::vector<std::size_t> latents;
  Numbers values;
};

/// Non-negative least squares: of all subsets whose values are positive, the one that leaves least.
inline NaiveCode non_negative(const std::vector<Numbers>& dictionary, const Numbers& target,
                              const std::vector<std::size_t>& among) {
  NaiveCode best;
  double least = product_of(target, target);
  for (std::size_t subset = 1; subset < std::size_t{1} << among.size(); ++subset) {
    std::vector<std::size_t> latents;
    for (std::size_t i = 0; i < among.size(); ++i) {
      if ((subset >> i & 1) != 0) latents.push_back(among[i]);
    }
    const auto values = least_squares(dictionary, target, latents);
    bool positive = true;
    for (const auto value : values) positive = positive && value > 0;
    if (!positive) continue;
    const auto left = residual_of(dictionary, target, latents, values);
    if (product_of(left, left) >= least) continue;
    least = product_of(left, left);
    best = {latents, values};
  }
  return best;
}

/// The pursuit of one target: [latents].
inline Numbers naive_pursuit(const std::vector<Numbers>& dictionary, const Numbers& target,
                             const std::vector<std::size_t>& candidates, std::size_t k, bool any_sign) {
  NaiveCode code;
  while (code.latents.size() < k) {
    const auto left = residual_of(dictionary, target, code.latents, code.values);
    double largest = 1e-9 * std::sqrt(product_of(target, target));
    std::size_t next = dictionary.size();
    for (const auto latent : candidates) {
      bool is_in = false;
      for (const auto member : code.latents) is_in = is_in || member == latent;
      const auto norm = std::sqrt(product_of(dictionary[latent], dictionary[latent]));
      auto size = product_of(dictionary[latent], left) / norm;
      if (any_sign) size = std::abs(size);
      if (is_in || !(size > largest)) continue;
      largest = size;
      next = latent;
    }
    if (next == dictionary.size()) break;
    auto latents = code.latents;
    latents.push_back(next);
    code = any_sign ? NaiveCode{latents, least_squares(dictionary, target, latents)}
                    : non_negative(dictionary, target, latents);
  }
  Numbers values(dictionary.size());
  for (std::size_t i = 0; i < code.latents.size(); ++i) values[code.latents[i]] = code.values[i];
  return values;
}

/// How far values [latents] are from those of least squares on some of the latents, not negative unless told
/// otherwise: the largest product with what is left that would make it smaller, over the target's norm. 0 for
/// all solutions, and for them alone (Karush, Kuhn and Tucker), where no other latent has a value.
inline double distance_from_optimum(const std::vector<Numbers>& dictionary, const Numbers& target,
                                    const std::vector<std::size_t>& among, const Numbers& values,
                                    bool any_sign) {
  std::vector<std::size_t> all(dictionary.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto left = residual_of(dictionary, target, all, values);
  double worst = 0;
  for (const auto latent : among) {
    const auto gain = product_of(dictionary[latent], left);
    worst = std::max(worst, any_sign || values[latent] > 0 ? std::abs(gain) : gain);
  }
  return worst / (1e-30 + std::sqrt(product_of(target, target)));
}

}  // namespace msae::test
