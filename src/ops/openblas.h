// OpenBLAS, loaded where it is installed: linked, it would take the place of LibTorch's own products.
#pragma once

#include <cstdint>

namespace msae::ops::openblas {

bool is_available();

/// C [m, n] = A [m, k] B, with B [k, n], or its transpose [n, k]; rows are contiguous. On the caller's
/// thread.
void multiply(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b,
              float* c);
void multiply(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
              const double* b, double* c);

}  // namespace msae::ops::openblas
