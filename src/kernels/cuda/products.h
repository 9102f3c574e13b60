// Dense products, by a library.
#pragma once

#include "kernels/cuda/launch.h"

namespace msae::kernels::cuda {

/// C = op(A) op(B), or C += that; all row-major. Several at once have the same B.
template <typename F>
struct Product {
  bool transpose_a = false, transpose_b = false;  ///< A is [k, m], B is [n, k]
  std::int64_t m = 0, n = 0, k = 0;
  const F* a = {};
  std::int64_t a_stride = 0;  ///< from row to row
  const F* b = {};
  std::int64_t b_stride = 0;
  std::int64_t c_stride = 0;
  bool adds = false;
  int count = 1;                        ///< of products
  std::int64_t a_step = 0, c_step = 0;  ///< from one to the next
};

template <typename F>
class Products {
 public:
  virtual ~Products() = default;
  /// To floats [count][m, n].
  virtual void multiply(Stream stream, const Product<F>& work, float* c) const = 0;
  /// To factors.
  virtual void multiply_to_factors(Stream stream, const Product<F>& work, F* c) const = 0;
};

}  // namespace msae::kernels::cuda
