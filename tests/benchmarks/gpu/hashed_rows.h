// Rows as many as one likes, made on demand: each of a few of some directions, and noise.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/executor.h"
#include "msae/data/source.h"

namespace msae::gpu_benchmark {

/// Row i depends on i alone. A row takes about as long as reading a few others from memory: that of
/// data::SyntheticHierarchy, which is more like real ones, takes a hundred times as long.
class HashedRows final : public data::EmbeddingSource {
 public:
  HashedRows(std::int64_t rows, std::int64_t dim, const kernels::Executor& executor);

  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return dim_; }
  std::string name() const override { return "hashed rows"; }
  /// Spent on making rows so far.
  double seconds() const { return seconds_; }

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override;

  std::int64_t rows_, dim_;
  const kernels::Executor& executor_;
  std::vector<float> directions_;  ///< [directions, dim]
  std::vector<float> noise_;       ///< of which rows get stretches
  double seconds_ = 0;
};

}  // namespace msae::gpu_benchmark
