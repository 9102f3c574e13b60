#include "data/concept_forest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "data/random.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

constexpr double most_frequent = 0.9;  // a concept that is always there is part of the mean

/// The shape of the forest, and each node's rank among its siblings (roots are siblings), from 0.
struct Shape {
  std::vector<std::int32_t> parent, depth, after, rank, children;
  std::int32_t roots = 0;
};

Shape shape_of(const SyntheticOptions& options) {
  const auto count = static_cast<std::size_t>(options.concepts);
  const auto levels = static_cast<std::size_t>(options.depth);
  Shape shape;
  shape.children.assign(count, 0);
  shape.after.resize(count);
  std::vector<std::size_t> path;  // from a root to the node made last
  const auto leave = [&](std::size_t next) {
    shape.after[path.back()] = static_cast<std::int32_t>(next);
    path.pop_back();
  };
  for (std::size_t node = 0; node < count; ++node) {
    while (!path.empty() && (path.size() == levels || shape.children[path.back()] == options.branching))
      leave(node);
    shape.parent.push_back(path.empty() ? -1 : static_cast<std::int32_t>(path.back()));
    shape.rank.push_back(path.empty() ? shape.roots++ : shape.children[path.back()]++);
    path.push_back(node);
    shape.depth.push_back(static_cast<std::int32_t>(path.size()));
  }
  while (!path.empty()) leave(count);
  return shape;
}

/// Given their parent, siblings share one active concept on average, by Zipf's law.
std::vector<double> child_probabilities(const Shape& shape, double zipf) {
  std::vector<double> conditional(shape.parent.size());
  for (std::size_t node = 0; node < conditional.size(); ++node) {
    if (shape.parent[node] < 0) continue;
    const auto siblings = shape.children[static_cast<std::size_t>(shape.parent[node])];
    double all = 0;
    for (std::int32_t i = 0; i < siblings; ++i) all += std::pow(i + 1, -zipf);
    conditional[node] = std::min(most_frequent, std::pow(shape.rank[node] + 1, -zipf) / all);
  }
  return conditional;
}

/// The mean number of active concepts in the tree of each root, once that root is active.
std::vector<double> active_per_tree(const Shape& shape, const std::vector<double>& conditional) {
  std::vector<double> below(conditional.size(), 1.0);
  std::vector<double> trees(static_cast<std::size_t>(shape.roots));
  for (std::size_t node = below.size(); node-- > 0;) {
    if (shape.parent[node] < 0) {
      trees[static_cast<std::size_t>(shape.rank[node])] = below[node];
    } else {
      below[static_cast<std::size_t>(shape.parent[node])] += conditional[node] * below[node];
    }
  }
  return trees;
}

/// Zipf-Mandelbrot: A / (rank + 2.7)^zipf, ranks from 1, with the A that makes `active` concepts active on
/// average.
std::vector<double> root_probabilities(const std::vector<double>& trees, const SyntheticOptions& options) {
  std::vector<double> weight;
  weight.reserve(trees.size());
  for (std::size_t i = 0; i < trees.size(); ++i) {
    weight.push_back(std::pow(static_cast<double>(i + 1) + 2.7, -options.zipf));
  }
  const auto probability = [&](double a, std::size_t root) {
    return std::min(most_frequent, a * weight[root]);
  };
  const auto active = [&](double a) {
    double sum = 0;
    for (std::size_t i = 0; i < trees.size(); ++i) sum += probability(a, i) * trees[i];
    return sum;
  };
  double low = 0;
  double high = 1 / weight.back();
  if (options.active > active(high)) {
    std::ostringstream message;
    message << "active: must be at most " << active(high) << ", the mean that " << options.concepts
            << " concepts in this hierarchy can reach, not " << options.active;
    throw std::invalid_argument(message.str());
  }
  for (int i = 0; i < 200; ++i) {
    const double middle = std::midpoint(low, high);
    (active(middle) < options.active ? low : high) = middle;
  }
  std::vector<double> result;
  result.reserve(trees.size());
  for (std::size_t i = 0; i < trees.size(); ++i) result.push_back(probability(high, i));
  return result;
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void scale_to_unit(std::span<double> vector) {
  const double norm = std::sqrt(dot(vector, vector));
  for (auto& value : vector) value /= norm;
}

using Vector = std::vector<double>;

/// A random direction orthogonal to each of the orthonormal `others`.
Vector random_direction(Random& random, std::size_t dim,
                        std::initializer_list<std::span<const double>> others) {
  Vector vector(dim);
  for (auto& value : vector) value = random.normal();
  for (int pass = 0; pass < 2; ++pass) {  // the second takes away what rounding left
    for (const auto other : others) {
      const double along = dot(vector, other);
      for (std::size_t i = 0; i < dim; ++i) vector[i] -= along * other[i];
    }
    scale_to_unit(vector);
  }
  return vector;
}

void draw_directions(ConceptForest& forest, const SyntheticOptions& options) {
  Random random(mix(options.seed, 0));
  const auto dim = static_cast<std::size_t>(options.dim);
  auto& truth = forest.truth;
  const auto count = truth.parent.size();
  require_memory(saturating_product(saturating_product(count, dim), sizeof(double) + sizeof(float)),
                 "a dictionary of " + std::to_string(count) + " concepts");
  forest.mean_direction = random_direction(random, dim, {});
  std::vector<double> directions(count * dim);
  const auto direction = [&](std::size_t node) { return std::span(directions).subspan(node * dim, dim); };
  for (std::size_t node = 0; node < count; ++node) {
    const auto own = direction(node);
    if (truth.parent[node] < 0) {
      const auto fresh = random_direction(random, dim, {forest.mean_direction});
      std::copy(fresh.begin(), fresh.end(), own.begin());
      continue;
    }
    const auto parent = direction(static_cast<std::size_t>(truth.parent[node]));
    const auto fresh = random_direction(random, dim, {forest.mean_direction, parent});
    const double along = options.parent_cosine;
    const double across = std::sqrt(1 - along * along);
    for (std::size_t i = 0; i < dim; ++i) own[i] = along * parent[i] + across * fresh[i];
  }
  truth.dictionary.assign(directions.begin(), directions.end());
}

}  // namespace

ConceptForest grow_forest(const SyntheticOptions& options) {
  auto shape = shape_of(options);
  ConceptForest forest;
  auto& truth = forest.truth;
  forest.conditional = child_probabilities(shape, options.zipf);
  const auto roots = root_probabilities(active_per_tree(shape, forest.conditional), options);
  for (std::size_t node = 0; node < shape.parent.size(); ++node) {
    const auto parent = shape.parent[node];
    if (parent < 0) forest.conditional[node] = roots[static_cast<std::size_t>(shape.rank[node])];
    const double above = parent < 0 ? 1 : truth.frequency[static_cast<std::size_t>(parent)];
    truth.frequency.push_back(above * forest.conditional[node]);
  }
  truth.dim = options.dim;
  truth.parent = std::move(shape.parent);
  truth.depth = std::move(shape.depth);
  forest.after = std::move(shape.after);
  draw_directions(forest, options);
  return forest;
}

}  // namespace msae::data
