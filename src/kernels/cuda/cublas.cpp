#include "kernels/cuda/cublas.h"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <string>
#include <type_traits>

namespace msae::kernels::cuda {
namespace {

// What NVIDIA asks for on its latest devices.
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

void require(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuBLASLt: ") + what + ": " + cublasLtGetStatusName(status));
}

// A handle of the library's, with the function that ends it.
template <typename T, cublasStatus_t (*end)(T)>
struct Ended {
  using pointer = T;
  void operator()(T handle) const { end(handle); }
};
template <typename T, cublasStatus_t (*end)(T)>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Ended<T, end>>;

using Handle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using Description = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

template <typename F>
constexpr cudaDataType_t type_of = std::is_same_v<F, float> ? CUDA_R_32F : CUDA_R_16BF;

// The library's matrices go by columns: a row-major one is the transpose of what it sees, and C^T = B^T A^T.
Layout layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t stride, int count,
              std::int64_t step) {
  cublasLtMatrixLayout_t made = nullptr;
  require(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(columns),
                                     static_cast<std::uint64_t>(rows), stride),
          "layout");
  Layout owned(made);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, const auto& value) {
    require(cublasLtMatrixLayoutSetAttribute(made, attribute, &value, sizeof value), "layout");
  };
  set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, std::int32_t{count});
  set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step);
  return owned;
}

// A product as it has been set up, for all of its shape.
struct Plan {
  Description description;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};

using Key = std::array<std::int64_t, 13>;

}  // namespace

// Sums of a few bfloat16 are made as fast as they are written.
template <typename F>
bool is_short(const Product<F>& work) {
  return sizeof(F) == sizeof(bfloat16) && !work.transpose_a && work.k <= 1024;
}

// Two tiles of this size are on a multiprocessor: while one is written, the other is summed up. What is
// offered first for short sums has larger ones, and takes a sixth longer on an H200.
bool has_small_tile(const cublasLtMatmulAlgo_t& algorithm) {
  int tile = 0;
  return cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID, &tile, sizeof tile,
                                              nullptr) == CUBLAS_STATUS_SUCCESS &&
         tile == CUBLASLT_MATMUL_TILE_168x128;
}

template <typename F>
class Cublas<F>::Impl {
 public:
  Impl(Multiplier multiplier, const Allocate& allocate)
      : multiplier_(multiplier), workspace_(allocate(workspace_bytes)) {
    cublasLtHandle_t made = nullptr;
    require(cublasLtCreate(&made), "start");
    handle_.reset(made);
  }

  template <typename C>
  void run(Stream stream, const Product<F>& work, C* c) {
    if (work.m == 0 || work.n == 0) return;
    const auto& plan = plan_of(work, type_of<C>);
    const float one = 1, beta = work.adds ? 1 : 0;
    require(cublasLtMatmul(handle_.get(), plan.description.get(), &one, work.b, plan.b.get(), work.a,
                           plan.a.get(), &beta, c, plan.c.get(), c, plan.c.get(), &plan.algorithm,
                           workspace_.get(), workspace_bytes, stream),
            "product");
  }

 private:
  const Plan& plan_of(const Product<F>& work, cudaDataType_t type) {
    const Key key = {work.transpose_a, work.transpose_b, work.m,        work.n,    work.k,
                     work.a_stride,    work.b_stride,    work.c_stride, work.adds, work.count,
                     work.a_step,      work.c_step,      type};
    const auto found = plans_.find(key);
    return found != plans_.end() ? found->second : plans_.emplace(key, make_plan(work, type)).first->second;
  }

  Plan make_plan(const Product<F>& work, cudaDataType_t type) const {
    const auto compute = std::is_same_v<F, float> && multiplier_ == Multiplier::tf32
                             ? CUBLAS_COMPUTE_32F_FAST_TF32
                             : CUBLAS_COMPUTE_32F;
    cublasLtMatmulDesc_t made = nullptr;
    require(cublasLtMatmulDescCreate(&made, compute, CUDA_R_32F), "description");
    Plan plan{.description = Description(made),
              .a = layout(type_of<F>, work.transpose_a ? work.k : work.m, work.transpose_a ? work.m : work.k,
                          work.a_stride, work.count, work.a_step),
              .b = layout(type_of<F>, work.transpose_b ? work.n : work.k, work.transpose_b ? work.k : work.n,
                          work.b_stride, work.count, 0),
              .c = layout(type, work.m, work.n, work.c_stride, work.count, work.c_step),
              .algorithm = {}};
    const auto transpose = [&](cublasLtMatmulDescAttributes_t which, bool is) {
      const cublasOperation_t operation = is ? CUBLAS_OP_T : CUBLAS_OP_N;
      require(cublasLtMatmulDescSetAttribute(made, which, &operation, sizeof operation), "description");
    };
    transpose(CUBLASLT_MATMUL_DESC_TRANSA, work.transpose_b);
    transpose(CUBLASLT_MATMUL_DESC_TRANSB, work.transpose_a);
    cublasLtMatmulPreference_t preference = nullptr;
    require(cublasLtMatmulPreferenceCreate(&preference), "preference");
    const Preference owned(preference);
    require(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &workspace_bytes, sizeof workspace_bytes),
            "preference");
    // Matrices may begin at any row of what is aligned, so they are aligned as rows are.
    const auto aligned = [&](cublasLtMatmulPreferenceAttributes_t which, std::int64_t stride, auto size) {
      const auto bytes = static_cast<std::uint32_t>(std::gcd(stride * static_cast<std::int64_t>(size), 256));
      require(cublasLtMatmulPreferenceSetAttribute(preference, which, &bytes, sizeof bytes), "preference");
    };
    const auto c_size = type == CUDA_R_32F ? sizeof(float) : sizeof(bfloat16);
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, work.b_stride, sizeof(F));
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, work.a_stride, sizeof(F));
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, work.c_stride, c_size);
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, work.c_stride, c_size);
    std::array<cublasLtMatmulHeuristicResult_t, 8> offered{};
    int count = 0;
    require(cublasLtMatmulAlgoGetHeuristic(handle_.get(), made, plan.b.get(), plan.a.get(), plan.c.get(),
                                           plan.c.get(), preference, static_cast<int>(offered.size()),
                                           offered.data(), &count),
            "choice of an algorithm");
    if (count == 0) throw DeviceError("cuBLASLt: no algorithm for a product of this shape");
    const auto end = offered.begin() + count;
    const auto writes_meanwhile = [&](const auto& one) {
      return is_short<F>(work) && has_small_tile(one.algo);
    };
    const auto better = std::find_if(offered.begin(), end, writes_meanwhile);
    plan.algorithm = (better == end ? offered.front() : *better).algo;
    return plan;
  }

  Multiplier multiplier_;
  std::shared_ptr<void> workspace_;
  Handle handle_;
  std::map<Key, Plan> plans_;
};

template <typename F>
Cublas<F>::Cublas(Multiplier multiplier, const Allocate& allocate)
    : impl_(std::make_unique<Impl>(multiplier, allocate)) {}
template <typename F>
Cublas<F>::~Cublas() = default;

template <typename F>
void Cublas<F>::multiply(Stream stream, const Product<F>& work, float* c) const {
  impl_->run(stream, work, c);
}

template <typename F>
void Cublas<F>::multiply_to_factors(Stream stream, const Product<F>& work, F* c) const {
  impl_->run(stream, work, c);
}

template class Cublas<float>;
template class Cublas<bfloat16>;

}  // namespace msae::kernels::cuda
