#include "msae/eval/cknna.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "eval/neighbours.h"

namespace msae::eval {
namespace {

struct Entry {
  std::int64_t column;
  double value;
};

/// A kernel that is zero but for a few entries of each row, ascending by column.
class SparseKernel {
 public:
  explicit SparseKernel(const Neighbours& neighbours)
      : rows_(neighbours.index.size(0)), entries_(static_cast<std::size_t>(neighbours.index.size(0))) {
    const auto index = neighbours.index.to(torch::kCPU, torch::kInt64).contiguous();
    const auto value = neighbours.value.to(torch::kCPU, torch::kFloat64).contiguous();
    const auto* columns = index.const_data_ptr<std::int64_t>();
    const auto* values = value.const_data_ptr<double>();
    const auto k = index.size(1);
    for (std::int64_t row = 0; row < rows_; ++row) {
      auto& entries = entries_[static_cast<std::size_t>(row)];
      for (auto i = row * k; i < (row + 1) * k; ++i) entries.push_back({columns[i], values[i]});
      std::sort(entries.begin(), entries.end(),
                [](const Entry& a, const Entry& b) { return a.column < b.column; });
      check(row);
    }
  }

  std::int64_t rows() const { return rows_; }
  const std::vector<Entry>& row(std::int64_t row) const { return entries_[static_cast<std::size_t>(row)]; }

 private:
  void check(std::int64_t own) const {
    std::int64_t before = -1;
    for (const auto& entry : row(own)) {
      TORCH_CHECK(entry.column >= 0 && entry.column < rows_ && entry.column != own, "cknna: row ", own,
                  " of ", rows_, " has ", entry.column, " as a neighbour");
      TORCH_CHECK(entry.column != before, "cknna: row ", own, " has ", entry.column, " as a neighbour twice");
      TORCH_CHECK(std::isfinite(entry.value), "cknna: row ", own, " has a neighbour with NaN or Inf");
      before = entry.column;
    }
  }

  std::int64_t rows_;
  std::vector<std::vector<Entry>> entries_;
};

/// The value at `column` of entries ascending by column, where there is one.
std::optional<double> find(const std::vector<Entry>& entries, std::int64_t column) {
  const auto found = std::lower_bound(entries.begin(), entries.end(), column,
                                      [](const Entry& entry, std::int64_t at) { return entry.column < at; });
  if (found == entries.end() || found->column != column) return std::nullopt;
  return found->value;
}

/// HSIC of K and L where both have an entry:
/// [sum(K L^T, element by element) + sum K sum L / ((n-1)(n-2)) - 2 sum(K L) / (n-2)] / (n (n-3)).
/// The matrix product's sum is that over j of column sum j of K times row sum j of L.
double masked_hsic(const SparseKernel& k, const SparseKernel& l) {
  const auto rows = static_cast<std::size_t>(k.rows());
  std::vector<double> k_columns(rows), l_rows(rows);
  double k_sum = 0, l_sum = 0, transposed = 0;
  for (std::int64_t i = 0; i < k.rows(); ++i) {
    for (const auto& [j, k_ij] : k.row(i)) {
      const auto l_ij = find(l.row(i), j);
      if (!l_ij) continue;
      k_columns[static_cast<std::size_t>(j)] += k_ij;
      l_rows[static_cast<std::size_t>(i)] += *l_ij;
      k_sum += k_ij;
      l_sum += *l_ij;
      const auto l_ji = find(l.row(j), i);
      if (l_ji && find(k.row(j), i)) transposed += k_ij * *l_ji;
    }
  }
  double product = 0;
  for (std::size_t j = 0; j < rows; ++j) product += k_columns[j] * l_rows[j];
  const auto n = static_cast<double>(k.rows());
  return (transposed + k_sum * l_sum / ((n - 1) * (n - 2)) - 2 * product / (n - 2)) / (n * (n - 3));
}

void check_pair(const Neighbours& a, const Neighbours& b) {
  for (const auto* neighbours : {&a, &b}) {
    TORCH_CHECK(neighbours->index.dim() == 2 && neighbours->index.sizes() == neighbours->value.sizes() &&
                    neighbours->index.sizes() == a.index.sizes(),
                "cknna: expected indices and values of one shape [rows, k], got ", a.index.sizes(), " and ",
                a.value.sizes(), " against ", b.index.sizes(), " and ", b.value.sizes());
  }
  TORCH_CHECK(a.index.size(0) >= 4, "cknna: needs at least 4 rows, got ", a.index.size(0));
}

}  // namespace

double detail::masked_hsic(const Neighbours& a, const Neighbours& b) {
  check_pair(a, b);
  return eval::masked_hsic(SparseKernel(a), SparseKernel(b));
}

double cknna(const Neighbours& a, const Neighbours& b) {
  check_pair(a, b);
  const SparseKernel k(a), l(b);
  // Two roots: the product of the two may overflow.
  const double size = std::sqrt(masked_hsic(k, k)) * std::sqrt(masked_hsic(l, l));
  return masked_hsic(k, l) / (size + 1e-6);
}

double cknna(const torch::Tensor& a, const torch::Tensor& b, std::int64_t k) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(0),
              "cknna: expected [rows, dim] of the same rows twice, got ", a.sizes(), " and ", b.sizes());
  TORCH_CHECK(a.size(0) > k && a.size(0) >= 4, "cknna: ", k, " neighbours need more than ",
              std::max<std::int64_t>(k, 3), " rows, got ", a.size(0));
  return cknna(nearest_neighbours(a, k), nearest_neighbours(b, k));
}

}  // namespace msae::eval
