#include "models/vector_math.h"

#include <algorithm>
#include <limits>

// Compiled for several instruction sets, of which a processor takes its best: two names in one string would
// be two of them, so FMA alone stands for AVX2, too. Not where that is asked before a sanitizer is ready.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define MSAE_ANY_PROCESSOR __attribute__((target_clones("default", "fma", "avx512f")))
#else
#define MSAE_ANY_PROCESSOR
#endif
#define MSAE_INLINE inline __attribute__((always_inline))

namespace msae::models {
namespace {

// As many running sums (or largest values), so that the compiler may have several to a register.
template <typename T>
constexpr std::size_t lanes = 256 / sizeof(T);

template <std::size_t sums_count, typename T>
MSAE_INLINE T dot_of(const T* a, const T* b, std::size_t size) {
  T sums[sums_count] = {};
  std::size_t i = 0;
  for (; i + sums_count <= size; i += sums_count) {
    for (std::size_t j = 0; j < sums_count; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (std::size_t j = 0; i + j < size; ++j) sums[j] += a[i + j] * b[i + j];
  for (auto half = sums_count / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

template <typename T>
MSAE_INLINE void add_scaled_of(T factor, const T* values, T* sum, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) sum[i] += factor * values[i];
}

// Four rows at a time: sums are read and written a quarter as often.
template <typename T>
MSAE_INLINE void add_rows_of(const T* factors, const T* const* rows, std::size_t count, T* sum,
                             std::size_t size) {
  std::size_t j = 0;
  for (; j + 4 <= count; j += 4) {
    const T *a = rows[j], *b = rows[j + 1], *c = rows[j + 2], *d = rows[j + 3];
    const T fa = factors[j], fb = factors[j + 1], fc = factors[j + 2], fd = factors[j + 3];
    for (std::size_t i = 0; i < size; ++i) sum[i] = sum[i] + fa * a[i] + fb * b[i] + fc * c[i] + fd * d[i];
  }
  for (; j < count; ++j) add_scaled_of(factors[j], rows[j], sum, size);
}

template <typename T>
MSAE_INLINE T score(T value, T weight, bool of_size) {
  const T product = value * weight;
  return of_size && product < 0 ? -product : product;
}

template <typename T>
MSAE_INLINE T largest_score(const T* a, const T* b, std::size_t size, bool of_size) {
  T best[lanes<T>];
  for (auto& value : best) value = -std::numeric_limits<T>::infinity();
  std::size_t i = 0;
  for (; i + lanes<T> <= size; i += lanes<T>) {
    for (std::size_t j = 0; j < lanes<T>; ++j) {
      const T value = score(a[i + j], b[i + j], of_size);
      best[j] = value > best[j] ? value : best[j];
    }
  }
  for (; i < size; ++i) {
    const T value = score(a[i], b[i], of_size);
    best[0] = value > best[0] ? value : best[0];
  }
  T most = best[0];
  for (const auto value : best) most = value > most ? value : most;
  return most;
}

// A part at a time, so that only one of them is searched for where it was.
template <typename T>
MSAE_INLINE std::size_t largest_of(const T* a, const T* b, std::size_t size, bool of_size) {
  constexpr std::size_t part = 8 * lanes<T>;
  std::size_t first = 0;
  T most = -std::numeric_limits<T>::infinity();
  for (std::size_t i = 0; i < size; i += part) {
    const T here = largest_score(a + i, b + i, std::min(part, size - i), of_size);
    if (here > most) most = here, first = i;
  }
  for (auto i = first; i < size; ++i) {
    if (score(a[i], b[i], of_size) == most) return i;
  }
  return 0;
}

// So many rows of a triangular matrix are solved for together; what the others have to do with them are plain
// sums.
constexpr std::size_t together = 8;

template <std::size_t count>
MSAE_INLINE void solve_transposed_rows(const double* __restrict rows, std::size_t stride,
                                       double* __restrict x, std::size_t size) {
  double solved[count];
  for (std::size_t i = 0; i < count; ++i) {
    solved[i] = x[i];
    for (std::size_t j = 0; j < i; ++j) solved[i] -= solved[j] * rows[j * stride + i];
    x[i] = solved[i] *= rows[i * stride + i];
  }
  for (auto j = count; j < size; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += solved[i] * rows[i * stride + j];
    x[j] -= sum;
  }
}

template <std::size_t count>
MSAE_INLINE void solve_triangular_rows(const double* __restrict rows, std::size_t stride,
                                       double* __restrict x, std::size_t size) {
  double solved[count];
  for (std::size_t i = 0; i < count; ++i) {
    solved[i] = x[i] - dot_of<together>(rows + i * stride + count, x + count, size - count);
  }
  for (auto i = count; i-- > 0;) {
    for (auto j = i + 1; j < count; ++j) solved[i] -= solved[j] * rows[i * stride + j];
    x[i] = solved[i] *= rows[i * stride + i];
  }
}

MSAE_INLINE void solve_transposed_of(const double* upper, std::size_t stride, double* x, std::size_t size) {
  std::size_t i = 0;
  for (; i + together <= size; i += together) {
    solve_transposed_rows<together>(upper + i * stride + i, stride, x + i, size - i);
  }
  for (; i < size; ++i) solve_transposed_rows<1>(upper + i * stride + i, stride, x + i, size - i);
}

MSAE_INLINE void solve_triangular_of(const double* upper, std::size_t stride, double* x, std::size_t size) {
  auto i = size;
  for (; i % together != 0; --i) {
    solve_triangular_rows<1>(upper + (i - 1) * (stride + 1), stride, x + i - 1, size - i + 1);
  }
  for (; i > 0; i -= together) {
    const auto first = i - together;
    solve_triangular_rows<together>(upper + first * (stride + 1), stride, x + first, size - first);
  }
}

}  // namespace

MSAE_ANY_PROCESSOR double dot(const double* a, const double* b, std::size_t size) {
  return dot_of<lanes<double>>(a, b, size);
}

MSAE_ANY_PROCESSOR float dot(const float* a, const float* b, std::size_t size) {
  return dot_of<lanes<float>>(a, b, size);
}

MSAE_ANY_PROCESSOR void add_scaled(double factor, const double* values, double* sum, std::size_t size) {
  add_scaled_of(factor, values, sum, size);
}

MSAE_ANY_PROCESSOR void add_scaled(float factor, const float* values, float* sum, std::size_t size) {
  add_scaled_of(factor, values, sum, size);
}

MSAE_ANY_PROCESSOR void add_rows(const double* factors, const double* const* rows, std::size_t count,
                                 double* sum, std::size_t size) {
  add_rows_of(factors, rows, count, sum, size);
}

MSAE_ANY_PROCESSOR void add_rows(const float* factors, const float* const* rows, std::size_t count,
                                 float* sum, std::size_t size) {
  add_rows_of(factors, rows, count, sum, size);
}

MSAE_ANY_PROCESSOR std::size_t largest_product(const double* a, const double* b, std::size_t size,
                                               bool of_size) {
  return largest_of(a, b, size, of_size);
}

MSAE_ANY_PROCESSOR std::size_t largest_product(const float* a, const float* b, std::size_t size,
                                               bool of_size) {
  return largest_of(a, b, size, of_size);
}

MSAE_ANY_PROCESSOR void solve_triangular(const double* upper, std::size_t stride, double* x,
                                         std::size_t size) {
  solve_triangular_of(upper, stride, x, size);
}

MSAE_ANY_PROCESSOR void solve_transposed(const double* upper, std::size_t stride, double* x,
                                         std::size_t size) {
  solve_transposed_of(upper, stride, x, size);
}

}  // namespace msae::models
