#include <cstddef>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "msae/data/batch_loader.h"

namespace msae::data {
namespace {

using Generator =
    std::mt19937;  // its numbers are fixed by the standard, and are those of torch's CPU generator

/// From here on torch draws 64 bits a row (aten/src/ATen/native/TensorFactories.cpp, randperm_cpu).
constexpr std::int64_t large = std::numeric_limits<std::uint32_t>::max() / 20;

std::uint64_t bits64(Generator& generator) {
  const std::uint64_t high = generator();
  return high << 32 | generator();
}

}  // namespace

// Without torch itself, so that the order of a run does not change with its version.
std::vector<std::int64_t> permutation(std::int64_t rows, std::uint64_t seed) {
  if (rows < 0) throw std::invalid_argument("permutation: rows is " + std::to_string(rows));
  Generator generator(static_cast<std::uint32_t>(seed));  // torch, too, drops the upper half
  const auto n = static_cast<std::uint64_t>(rows);
  std::vector<std::int64_t> order(n);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (rows < large) {
    for (std::uint64_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + generator() % (n - i)]);
  } else {
    for (std::uint64_t i = 0; i < n; ++i) std::swap(order[i], order[bits64(generator) % (i + 1)]);
  }
  return order;
}

}  // namespace msae::data
