// Sums over vectors, in an order that does not depend on anything but their length.
#pragma once

#include <cstddef>

namespace msae::models {

/// Sum of a[i] b[i].
double dot(const double* a, const double* b, std::size_t size);
float dot(const float* a, const float* b, std::size_t size);

/// sum[i] += factor * values[i]
void add_scaled(double factor, const double* values, double* sum, std::size_t size);
void add_scaled(float factor, const float* values, float* sum, std::size_t size);

/// sum[i] += factors[j] rows[j][i] for all of `count` rows, one after another
void add_rows(const double* factors, const double* const* rows, std::size_t count, double* sum,
              std::size_t size);
void add_rows(const float* factors, const float* const* rows, std::size_t count, float* sum,
              std::size_t size);

/// The first index of the largest a[i] b[i], or of the largest in size; 0 where there are none.
std::size_t largest_product(const float* a, const float* b, std::size_t size, bool of_size);
std::size_t largest_product(const double* a, const double* b, std::size_t size, bool of_size);

/// x = inverse(U) x, with U upper triangular, the first columns of [size, stride], its diagonal inverted.
void solve_triangular(const double* upper, std::size_t stride, double* x, std::size_t size);
/// x = inverse(transpose(U)) x
void solve_transposed(const double* upper, std::size_t stride, double* x, std::size_t size);

}  // namespace msae::models
