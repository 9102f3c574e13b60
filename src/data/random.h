/// \file
/// Random numbers that are the same with every standard library and in whatever order they are asked for.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace msae::data {

/// A bijection of 64-bit numbers that leaves no pattern: the finaliser of SplitMix64 (Steele, Lea and Flood,
/// 2014).
constexpr std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// A seed for the `index`-th of the things that `seed` decides.
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t index) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15u;
  return scramble(scramble(seed + golden) + (index + 1) * golden);
}

/// A stream of random numbers (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() { return scramble(state_ += 0x9e3779b97f4a7c15u); }

  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Of mean 1.
  double exponential() { return -std::log(1 - uniform()); }

  /// Of mean 0 and variance 1 (Box and Muller, 1958).
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(2 * exponential());
    const double angle = 2 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace msae::data
