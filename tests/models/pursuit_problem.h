/// \file
/// Problems for a Pursuit, and what it makes of them.
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include "kernels/naive.h"
#include "models/pursuit.h"

namespace msae::models::test {

using Code = std::map<std::int32_t, double>;
using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

enum class Kind { plain, coherent, odd };  // coherent: all close to each other; odd: of any length, some zero

template <typename T>
struct Problem {
  std::int64_t rows, dim, latents;
  bool any_sign = false, prepared = false;
  std::vector<T> dictionary = {}, targets = {};
  std::vector<std::int64_t> ks = {}, limits = {}, starts = {};
  std::vector<std::int32_t> candidates = {};

  void fill(Kind kind, std::uint64_t seed) {
    kernels::test::Random random(seed);
    const double common = kind == Kind::coherent ? 1 : 0;
    const auto add_row = [&](std::vector<T>& values, double length) {
      for (std::int64_t j = 0; j < dim; ++j) {
        values.push_back(static_cast<T>(length * (random.number() + common * (j % 3 == 0 ? 1 : 0.5))));
      }
    };
    for (std::int64_t i = 0; i < latents; ++i) {
      const double length = kind != Kind::odd ? 1 : i % 7 == 3 ? 0 : std::exp(2 * random.number());
      add_row(dictionary, length);
    }
    for (std::int64_t i = 0; i < rows; ++i) add_row(targets, kind == Kind::odd && i % 9 == 4 ? 0 : 1);
  }
  // As many as each row has, some of them none.
  void choose(std::int64_t most, std::uint64_t seed) {
    kernels::test::Random random(seed);
    std::vector<std::int32_t> order(static_cast<std::size_t>(latents));
    std::iota(order.begin(), order.end(), 0);
    starts = {0};
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = latents - 1; j > 0; --j) {
        std::swap(order[static_cast<std::size_t>(j)], order[static_cast<std::size_t>(random.below(j + 1))]);
      }
      const auto count = i % 5 == 2 ? 0 : std::min(latents, most - i % 3);
      candidates.insert(candidates.end(), order.begin(), order.begin() + std::max<std::int64_t>(0, count));
      starts.push_back(static_cast<std::int64_t>(candidates.size()));
    }
  }
  std::vector<std::int32_t> candidates_of(std::int64_t row) const {
    if (!starts.empty()) {
      std::vector<std::int32_t> own(candidates.begin() + starts[static_cast<std::size_t>(row)],
                                    candidates.begin() + starts[static_cast<std::size_t>(row + 1)]);
      std::sort(own.begin(), own.end());
      return own;
    }
    std::vector<std::int32_t> all(static_cast<std::size_t>(latents));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  Vector target(std::int64_t row) const {
    return Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(targets.data() + row * dim, dim)
        .template cast<double>();
  }
  Rows decoder() const {
    using Given = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<const Given>(dictionary.data(), latents, dim).template cast<double>();
  }
};

template <typename T>
kernels::Product<T> plain_product() {
  return {[](bool transposed, std::int64_t n, std::int64_t k, const T* b) -> kernels::TimesMatrix<T> {
    return [=](std::int64_t m, const T* a, T* c) {
      for (std::int64_t i = 0; i < m; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
          T sum = 0;
          for (std::int64_t l = 0; l < k; ++l)
            sum += a[i * k + l] * (transposed ? b[j * k + l] : b[l * n + j]);
          c[i * n + j] = sum;
        }
      }
    };
  }};
}

/// [rows][ks]
template <typename T>
std::vector<std::vector<Code>> codes_of_problem(const Problem<T>& problem,
                                                const kernels::Executor& executor = kernels::Serial()) {
  Pursuit<T> pursuit({problem.dictionary.data(), problem.latents, problem.dim, problem.any_sign},
                     plain_product<T>(), executor);
  if (problem.prepared) pursuit.prepare(std::uint64_t{1} << 30);
  std::vector<std::vector<Code>> codes(static_cast<std::size_t>(problem.rows),
                                       std::vector<Code>(problem.ks.size()));
  std::atomic<std::size_t> calls{0};
  pursuit.run({.targets = problem.targets.data(),
               .rows = problem.rows,
               .ks = problem.ks,
               .limits = problem.limits,
               .starts = problem.starts,
               .candidates = problem.candidates},
              [&](std::int64_t row, std::size_t which, auto latents, auto values) {
                ++calls;
                auto& code = codes.at(static_cast<std::size_t>(row)).at(which);
                for (std::size_t i = 0; i < latents.size(); ++i) code.emplace(latents[i], values[i]);
                EXPECT_EQ(code.size(), latents.size());
              });
  EXPECT_EQ(calls, codes.size() * problem.ks.size());
  return codes;
}

inline Vector least_squares_on(const Rows& decoder, const Vector& target,
                               const std::vector<std::int32_t>& latents) {
  Rows own(static_cast<std::int64_t>(latents.size()), decoder.cols());
  for (std::size_t i = 0; i < latents.size(); ++i)
    own.row(static_cast<std::int64_t>(i)) = decoder.row(latents[i]);
  return own.transpose().colPivHouseholderQr().solve(target);
}

inline Vector left_of(const Rows& decoder, Vector target, const Code& code) {
  for (const auto& [latent, value] : code) target -= value * decoder.row(latent).transpose();
  return target;
}

}  // namespace msae::models::test
