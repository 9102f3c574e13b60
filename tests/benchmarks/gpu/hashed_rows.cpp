#include "benchmarks/gpu/hashed_rows.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

namespace msae::gpu_benchmark {
namespace {

constexpr int active = 6;
constexpr std::int64_t directions = 2048, noise_values = std::int64_t{1} << 20;

// Sebastiano Vigna's SplitMix64.
std::uint64_t next(std::uint64_t& state) {
  auto z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

std::vector<float> normal(std::int64_t count, float deviation, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = distribution(generator);
  return values;
}

void add(float* to, const float* from, float factor, std::int64_t count) {
  for (std::int64_t d = 0; d < count; ++d) to[d] += factor * from[d];
}

}  // namespace

HashedRows::HashedRows(std::int64_t rows, std::int64_t dim, const kernels::Executor& executor)
    : rows_(rows),
      dim_(dim),
      executor_(executor),
      directions_(normal(directions * dim, 1 / std::sqrt(static_cast<float>(dim)), 1)),
      noise_(normal(noise_values + dim, 0.2f / std::sqrt(static_cast<float>(dim)), 2)) {}

void HashedRows::read_rows(std::int64_t first, std::int64_t count, std::span<float> out) {
  constexpr std::int64_t rows_of_task = 64;
  const auto start = std::chrono::steady_clock::now();
  kernels::run_shares(executor_, count, rows_of_task, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto i = begin; i < end; ++i) {
      auto state = static_cast<std::uint64_t>(first + i);
      const auto shift = static_cast<std::int64_t>(next(state) % noise_values);
      auto* row = out.data() + i * dim_;
      std::copy_n(noise_.data() + shift, dim_, row);
      for (int n = 0; n < active; ++n) {
        const auto drawn = next(state);
        // The smaller of two draws: some directions are more frequent than others.
        const auto one = static_cast<std::int64_t>(std::min(drawn % directions, (drawn >> 32) % directions));
        const auto amplitude = 0.5f + static_cast<float>(drawn >> 48) / 65536;
        add(row, directions_.data() + one * dim_, amplitude, dim_);
      }
    }
  });
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace msae::gpu_benchmark
