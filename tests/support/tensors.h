// Comparing tensors, and small random ones.
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>

namespace msae::test {

inline torch::Tensor random(at::IntArrayRef shape, std::uint64_t seed,
                            torch::ScalarType type = torch::kFloat64) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::empty(shape, type).normal_(0, 1, generator);
}

/// max |a - b| / max |b|, or max |a - b| where b is zero.
inline double relative_error(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  if (b.numel() == 0) return 0;
  const double difference = (a - b).abs().max().item<double>();
  const double size = b.abs().max().item<double>();
  return size > 0 ? difference / size : difference;
}

/// Gradient of a scalar function by central differences, one entry after the other.
inline torch::Tensor numerical_gradient(const std::function<torch::Tensor(const torch::Tensor&)>& f,
                                        const torch::Tensor& at, double h = 1e-6) {
  auto x = at.detach().clone();
  auto gradient = torch::zeros_like(x);
  auto* values = x.mutable_data_ptr<double>();
  auto* out = gradient.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double kept = values[i];
    values[i] = kept + h;
    const double above = f(x).item<double>();
    values[i] = kept - h;
    const double below = f(x).item<double>();
    values[i] = kept;
    out[i] = (above - below) / (2 * h);
  }
  return gradient;
}

}  // namespace msae::test

#define EXPECT_CLOSE(a, b, tolerance) \
  EXPECT_LE(::msae::test::relative_error((a), (b)), (tolerance)) << #a " against " #b
