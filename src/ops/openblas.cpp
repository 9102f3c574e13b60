#include "ops/openblas.h"

#include <dlfcn.h>

#include <cstdlib>

namespace msae::ops::openblas {
namespace {

template <typename T>
using Gemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, T alpha, const T* a,
                      int a_stride, const T* b, int b_stride, T beta, T* c, int c_stride);

struct Library {
  Gemm<float> single = nullptr;
  Gemm<double> twofold = nullptr;

  Library() {
#ifdef __x86_64__
    // Old versions take new processors for the oldest kind; where someone has named a kind, that stands.
    if (__builtin_cpu_supports("avx512f")) setenv("OPENBLAS_CORETYPE", "SKYLAKEX", /*overwrite=*/0);
#endif
    auto* handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle) return;
    if (auto* set_threads = reinterpret_cast<void (*)(int)>(dlsym(handle, "openblas_set_num_threads"))) {
      set_threads(1);
    }
    single = reinterpret_cast<Gemm<float>>(dlsym(handle, "cblas_sgemm"));
    twofold = reinterpret_cast<Gemm<double>>(dlsym(handle, "cblas_dgemm"));
  }
};

const Library& library() {
  static const Library loaded;
  return loaded;
}

template <typename T>
void call(Gemm<T> gemm, bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          const T* b, T* c) {
  constexpr int row_major = 101, as_it_is = 111, transpose = 112;
  const auto rows = static_cast<int>(m), columns = static_cast<int>(n), inner = static_cast<int>(k);
  gemm(row_major, as_it_is, transposed ? transpose : as_it_is, rows, columns, inner, T{1}, a, inner, b,
       transposed ? inner : columns, T{0}, c, columns);
}

}  // namespace

bool is_available() {
  return library().single && library().twofold;
}

void multiply(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, const float* b,
              float* c) {
  call(library().single, transposed, m, n, k, a, b, c);
}

void multiply(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
              const double* b, double* c) {
  call(library().twofold, transposed, m, n, k, a, b, c);
}

}  // namespace msae::ops::openblas
