// Problems for a training step: kinds of losses, shapes, levels.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/naive_step.h"

namespace msae::kernels::test {

using Levels = std::vector<std::int64_t>;

// A kind of loss.
struct Kind {
  const char* name;
  bool over_batch = false, squared = false, capped = false;
  double l1 = 0;
  bool by_norm = true;
  double auxk = 0;
  std::int64_t auxk_latents = 3;
  DenseFrom dense = {};

  bool all_sparse() const {
    return std::min({dense.decode, dense.decoder_gradient, dense.encoder_gradient}) > 1;
  }
};

inline constexpr Kind kinds[] = {
    {.name = "plain"},
    {.name = "squared", .squared = true},
    {.name = "capped", .capped = true},
    {.name = "over the batch", .over_batch = true},
    {.name = "auxiliary", .auxk = 0.3},
    {.name = "l1", .l1 = 0.2},
    {.name = "over the batch, squared, capped", .over_batch = true, .squared = true, .capped = true},
    {.name = "plain l1, capped", .capped = true, .l1 = 0.2, .by_norm = false},
    {.name = "auxiliary, over the batch, capped", .over_batch = true, .capped = true, .auxk = 0.3},
    {.name = "auxiliary, squared, all of them", .squared = true, .auxk = 2, .auxk_latents = 100000},
    {.name = "auxiliary, l1, squared", .squared = true, .l1 = 0.3, .auxk = 0.2},
    {.name = "l1, over the batch", .over_batch = true, .l1 = 0.1},
    {.name = "dense", .dense = {0, 0, 0}},
    {.name = "dense decode, auxiliary, l1, capped",
     .capped = true,
     .l1 = 0.2,
     .auxk = 0.2,
     .dense = {.decode = 0}},
    {.name = "dense ds and dW, capped, auxiliary",
     .capped = true,
     .auxk = 0.3,
     .dense = {.decoder_gradient = 0}},
    {.name = "dense dV, over the batch", .over_batch = true, .dense = {.encoder_gradient = 0}},
    {.name = "dense, auxiliary, l1, squared", .squared = true, .l1 = 0.3, .auxk = 0.2, .dense = {0, 0, 0}},
    {.name = "dense, over the batch, capped, auxiliary",
     .over_batch = true,
     .capped = true,
     .auxk = 0.3,
     .dense = {0, 0, 0}},
    {.name = "dense from some density on", .dense = {0.1, 0.2, 0.3}},
};

inline const Kind& kind_of(std::string_view name) {
  for (const auto& kind : kinds) {
    if (kind.name == name) return kind;
  }
  throw std::invalid_argument(std::string(name));
}

// Of small whole numbers many are the same.
enum class Numbers { plain, whole, equal };

struct Shape {
  std::int64_t rows, dim, latents;
};

// About so many of all pre-activations are positive.
enum class Positive { none, few, half, all };

constexpr double shift_of(Positive positive) {
  switch (positive) {
    case Positive::none:
      return -20;
    case Positive::few:
      return -0.5;
    case Positive::half:
      return 0;
    default:
      return 20;
  }
}

// Every fifth row is 0, and every third latent dead.
template <typename T>
Problem<T> problem_of(const Shape& shape, const Kind& kind, Levels levels, Positive positive,
                      Numbers numbers = Numbers::plain) {
  Random random(static_cast<std::uint64_t>(shape.rows + 1000 * shape.dim + shape.latents));
  Problem<T> problem{.options = {},
                     .factor = 0.7,
                     .batch = Table<T>(shape.rows, shape.dim, 0, 3),
                     .encoder = Table<T>(shape.latents, shape.dim),
                     .decoder = Table<T>(shape.latents, shape.dim, 0, kind.all_sparse() ? 1 : 0),
                     .latent_bias = Table<T>(1, shape.latents),
                     .pre_bias = Table<T>(1, shape.dim)};
  problem.batch.fill_with(random);
  problem.pre_bias.fill_with(random, 0.3);
  problem.encoder.fill_with(random, 1 / std::sqrt(static_cast<double>(shape.dim)));
  problem.decoder.fill_with(random);
  problem.latent_bias.fill_with(random, 0.1);
  if (numbers != Numbers::plain) {
    for (auto* table : {&problem.batch, &problem.pre_bias, &problem.encoder, &problem.latent_bias}) {
      for (std::int64_t i = 0; i < table->rows(); ++i) {
        for (std::int64_t j = 0; j < table->columns(); ++j)
          (*table)(i, j) = static_cast<T>(random.below(3) - 1);
      }
    }
  }
  for (std::int64_t j = 0; j < shape.latents; ++j) {
    auto& bias = problem.latent_bias(0, j);
    bias += static_cast<T>(shift_of(positive));
    if (numbers != Numbers::equal) continue;
    bias = static_cast<T>(positive == Positive::none ? -1 : 1);
    std::fill_n(&problem.encoder(j, 0), shape.dim, T{0});
  }
  for (std::int64_t b = 3; b < shape.rows; b += 5) std::fill_n(&problem.batch(b, 0), shape.dim, T{0});
  for (std::int64_t j = 0; j < shape.latents; ++j) problem.dead.push_back(j % 3 == 0 ? 1 : 0);
  auto& o = problem.options;
  if (kind.l1 > 0) levels = {levels.back()};
  o.levels = std::move(levels);
  double sum = 0;
  for (std::size_t l = 0; l < o.levels.size(); ++l) sum += static_cast<double>(l % 4 + 1);
  for (std::size_t l = 0; l < o.levels.size(); ++l) o.weights.push_back(static_cast<double>(l % 4 + 1) / sum);
  o.over_batch = kind.over_batch;
  o.squared = kind.squared;
  // Far beyond the cap slopes are differences of next to nothing.
  o.soft_cap = kind.capped ? (numbers == Numbers::plain ? 1 : 9) + std::abs(shift_of(positive)) : 0;
  o.l1 = kind.l1;
  o.l1_by_norm = kind.by_norm;
  o.auxk = kind.auxk;
  o.auxk_latents = kind.auxk_latents;
  o.dense = kind.dense;
  return problem;
}

// Lists of levels for so many latents: none kept, one, all, more than there are; few and many levels.
inline std::vector<Levels> level_lists_of(std::int64_t latents) {
  std::vector<Levels> lists = {{latents}, {0, 1, latents + 5}, {1}, {0}};
  if (latents < 7) return lists;
  lists.insert(lists.begin() + 1, {1, latents / 4 + 1, latents / 2, latents});
  lists.push_back({2, latents - 1});
  Levels many;
  for (std::int64_t k = 1; k <= std::min<std::int64_t>(latents, 64); k += 1 + k / 4) many.push_back(k);
  lists.push_back(many);
  return lists;
}

}  // namespace msae::kernels::test
