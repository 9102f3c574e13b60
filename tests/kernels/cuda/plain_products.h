// Dense products by plain loops, in the order that kernels::test::multiply() has.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <vector>

#include "kernels/cuda/products.h"

namespace msae::kernels::cuda::test {

inline float as_float(float value) {
  return value;
}
inline float as_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
inline void assign(float& to, float value) {
  to = value;
}
inline void assign(__nv_bfloat16& to, float value) {
  to = __float2bfloat16_rn(value);
}

/// On the host, wherever the matrices are: slow, and the same to the bit everywhere.
template <typename F>
class PlainProducts final : public Products<F> {
 public:
  void multiply(Stream queue, const Product<F>& work, float* c) const override { run(queue, work, c); }
  void multiply_to_factors(Stream queue, const Product<F>& work, F* c) const override { run(queue, work, c); }

 private:
  template <typename V>
  static std::vector<V> fetch(const V* from, std::int64_t count) {
    std::vector<V> values(static_cast<std::size_t>(count));
    require(cudaMemcpy(values.data(), from, values.size() * sizeof(V), cudaMemcpyDeviceToHost), "copy");
    return values;
  }

  // Of a matrix, the last row ends with its last column: what is behind is not touched.
  static std::int64_t extent(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
    return (rows - 1) * stride + columns;
  }

  template <typename C>
  static void run(Stream queue, const Product<F>& work, C* c) {
    require(cudaStreamSynchronize(queue), "synchronise");
    const auto a_rows = work.transpose_a ? work.k : work.m, a_columns = work.transpose_a ? work.m : work.k;
    const auto b_rows = work.transpose_b ? work.n : work.k, b_columns = work.transpose_b ? work.k : work.n;
    const auto b = fetch(work.b, extent(b_rows, b_columns, work.b_stride));
    for (int item = 0; item < work.count; ++item) {
      const auto a = fetch(work.a + item * work.a_step, extent(a_rows, a_columns, work.a_stride));
      auto* to = c + item * work.c_step;
      for (std::int64_t i = 0; i < work.m; ++i) {
        std::vector<C> row(static_cast<std::size_t>(work.n));
        if (work.adds) row = fetch(to + i * work.c_stride, work.n);
        for (std::int64_t j = 0; j < work.n; ++j) {
          auto& value = row[static_cast<std::size_t>(j)];
          float sum = 0;
          for (std::int64_t d = 0; d < work.k; ++d) {
            const auto at_a = work.transpose_a ? d * work.a_stride + i : i * work.a_stride + d;
            const auto at_b = work.transpose_b ? j * work.b_stride + d : d * work.b_stride + j;
            sum += as_float(a[static_cast<std::size_t>(at_a)]) * as_float(b[static_cast<std::size_t>(at_b)]);
          }
          assign(value, work.adds ? as_float(value) + sum : sum);
        }
        require(
            cudaMemcpy(to + i * work.c_stride, row.data(), row.size() * sizeof(C), cudaMemcpyHostToDevice),
            "copy");
      }
    }
  }
};

}  // namespace msae::kernels::cuda::test
