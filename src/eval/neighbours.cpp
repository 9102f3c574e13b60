#include "eval/neighbours.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace msae::eval {
namespace {

/// In one order always, whatever the block that a row is in.
template <class Scalar>
double dot(const Scalar* a, const Scalar* b, std::int64_t dim) {
  constexpr std::int64_t lanes = 8;
  std::array<double, lanes> sums{};
  std::int64_t i = 0;
  for (; i + lanes <= dim; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      sums[static_cast<std::size_t>(lane)] +=
          static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  double sum = 0;
  for (; i < dim; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  for (const double lane : sums) sum += lane;
  return sum;
}

struct Candidate {
  double value;
  std::int64_t index;
  bool operator<(const Candidate& other) const {
    return value != other.value ? value > other.value : index < other.index;
  }
};

/// Picks the neighbours of a row from products whose last bits depend on the blocks: whatever could be among
/// the k nearest given how far such a product may be off is computed again, in one order.
template <class Scalar>
class Picker {
 public:
  Picker(const torch::Tensor& rows, std::int64_t k)
      : values_(rows.const_data_ptr<Scalar>()),
        count_(rows.size(0)),
        dim_(rows.size(1)),
        k_(k),
        slack_(4 * static_cast<double>(dim_ + 2) * std::numeric_limits<double>::epsilon()),
        not_negative_(dim_ == 0 || rows.min().item<double>() >= 0),
        lengths_(static_cast<std::size_t>(count_)) {
    for (std::int64_t row = 0; row < count_; ++row) {
      lengths_[static_cast<std::size_t>(row)] = std::sqrt(exact(row, row));
    }
  }

  void pick(std::int64_t row, const double* products, std::int64_t* index, double* value) const {
    auto candidates = near_enough(row, products);
    for (auto& candidate : candidates) {
      if (error(row, candidate) > 0) candidate.value = exact(row, candidate.index);
    }
    std::partial_sort(candidates.begin(), candidates.begin() + k_, candidates.end());
    for (std::int64_t i = 0; i < k_; ++i) {
      index[i] = candidates[static_cast<std::size_t>(i)].index;
      value[i] = candidates[static_cast<std::size_t>(i)].value;
    }
  }

 private:
  double exact(std::int64_t a, std::int64_t b) const {
    return dot(values_ + a * dim_, values_ + b * dim_, dim_);
  }

  /// How far a product may be off at most. A sum of products that are not negative is off by a share of
  /// itself: where sparse codes have nothing in common, 0 is exact.
  double error(std::int64_t row, const Candidate& candidate) const {
    if (not_negative_) return slack_ * candidate.value;
    return slack_ * lengths_[static_cast<std::size_t>(row)] *
           lengths_[static_cast<std::size_t>(candidate.index)];
  }

  std::vector<Candidate> near_enough(std::int64_t row, const double* products) const {
    std::vector<double> at_least;
    at_least.reserve(static_cast<std::size_t>(count_ - 1));
    for (std::int64_t other = 0; other < count_; ++other) {
      const Candidate candidate{products[other], other};
      if (other != row) at_least.push_back(candidate.value - error(row, candidate));
    }
    const auto kth = at_least.begin() + (k_ - 1);
    std::nth_element(at_least.begin(), kth, at_least.end(), std::greater<>());
    std::vector<Candidate> candidates;
    for (std::int64_t other = 0; other < count_; ++other) {
      const Candidate candidate{products[other], other};
      if (other != row && candidate.value + error(row, candidate) >= *kth) candidates.push_back(candidate);
    }
    return candidates;
  }

  const Scalar* values_;
  std::int64_t count_, dim_, k_;
  double slack_;
  bool not_negative_;
  std::vector<double> lengths_;
};

/// Inner products [last - first, rows] of some rows with all, on the CPU.
torch::Tensor products_of(const torch::Tensor& rows, std::int64_t first, std::int64_t last,
                          std::int64_t columns) {
  const auto some = rows.slice(0, first, last).to(torch::kFloat64);
  auto products = torch::empty({last - first, rows.size(0)}, some.options());
  for (std::int64_t column = 0; column < rows.size(0); column += columns) {
    const auto end = std::min(column + columns, rows.size(0));
    products.slice(1, column, end).copy_(some.mm(rows.slice(0, column, end).to(torch::kFloat64).t()));
  }
  return products.to(torch::kCPU);
}

void check_rows(const torch::Tensor& rows, std::int64_t k) {
  TORCH_CHECK(rows.dim() == 2 && rows.is_floating_point(),
              "nearest_neighbours: expected a floating-point [rows, dim], got ", rows.sizes(), " of ",
              rows.scalar_type());
  TORCH_CHECK(k >= 1, "nearest_neighbours: k must be at least 1, got ", k);
  TORCH_CHECK(rows.size(0) > k, "nearest_neighbours: ", k, " neighbours need more than ", k, " rows, got ",
              rows.size(0));
  TORCH_CHECK(rows.isfinite().all().item<bool>(), "nearest_neighbours: the rows hold NaN or Inf");
}

template <class Scalar>
void find_all(const torch::Tensor& rows, const torch::Tensor& on_cpu, const detail::NeighbourBlocks& blocks,
              Neighbours& found) {
  const auto count = rows.size(0), k = found.index.size(1);
  const Picker<Scalar> picker(on_cpu, k);
  auto* index = found.index.mutable_data_ptr<std::int64_t>();
  auto* value = found.value.mutable_data_ptr<double>();
  for (std::int64_t first = 0; first < count; first += blocks.rows) {
    const auto products = products_of(rows, first, std::min(first + blocks.rows, count), blocks.columns);
    TORCH_CHECK(products.isfinite().all().item<bool>(), "nearest_neighbours: inner products overflow");
    const auto* values = products.const_data_ptr<double>();
    at::parallel_for(0, products.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        const auto row = first + i;
        picker.pick(row, values + i * count, index + row * k, value + row * k);
      }
    });
  }
}

}  // namespace

Neighbours detail::nearest_neighbours(const torch::Tensor& rows, std::int64_t k,
                                      const NeighbourBlocks& blocks) {
  check_rows(rows, k);
  const torch::NoGradGuard no_grad;
  const auto wide = rows.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto on_cpu = rows.to(torch::kCPU, wide).contiguous();
  Neighbours found{torch::empty({rows.size(0), k}, torch::kInt64),
                   torch::empty({rows.size(0), k}, torch::kFloat64)};
  AT_DISPATCH_FLOATING_TYPES(on_cpu.scalar_type(), "nearest_neighbours",
                             [&] { find_all<scalar_t>(rows, on_cpu, blocks, found); });
  return found;
}

Neighbours nearest_neighbours(const torch::Tensor& rows, std::int64_t k) {
  return detail::nearest_neighbours(rows, k, {});
}

}  // namespace msae::eval
