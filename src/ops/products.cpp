#include "ops/products.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/types.h>

#include <stdexcept>

#include "ops/openblas.h"

namespace msae::ops {
namespace {

// A tensor of what is only read has to be made from a pointer that could write.
template <typename T>
torch::Tensor matrix(const T* values, std::int64_t rows, std::int64_t columns) {
  return torch::from_blob(const_cast<T*>(values), {rows, columns}, torch::CppTypeToScalarType<T>::value);
}

template <typename T>
torch::Tensor right_factor(bool transposed, std::int64_t n, std::int64_t k, const T* b) {
  return transposed ? matrix(b, n, k).t() : matrix(b, k, n);
}

template <typename T>
kernels::TimesMatrix<T> by_torch(bool transposed, std::int64_t n, std::int64_t k, const T* b) {
  return [right = right_factor(transposed, n, k, b)](std::int64_t m, const T* a, T* c) {
    const torch::NoGradGuard no_grad;
    auto result = matrix(c, m, right.size(1));
    at::mm_out(result, matrix(a, m, right.size(0)), right);
  };
}

template <typename T>
kernels::TimesMatrix<T> by_torch_in_bfloat16(bool transposed, std::int64_t n, std::int64_t k, const T* b) {
  return [right = right_factor(transposed, n, k, b).to(torch::kBFloat16)](std::int64_t m, const T* a, T* c) {
    const torch::NoGradGuard no_grad;
    matrix(c, m, right.size(1)).copy_(at::mm(matrix(a, m, right.size(0)).to(torch::kBFloat16), right));
  };
}

// LibTorch's operator for linear layers; there is none that takes a place for its result.
const c10::OperatorHandle* onednn_linear() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found ? &*found : nullptr;
}

kernels::TimesMatrix<float> by_onednn(bool transposed, std::int64_t n, std::int64_t k, const float* b) {
  return [weight = right_factor(transposed, n, k, b).t().contiguous()](std::int64_t m, const float* a,
                                                                       float* c) {
    const torch::NoGradGuard no_grad;
    torch::jit::Stack stack{matrix(a, m, weight.size(1)),           weight,         c10::IValue(), "none",
                            c10::List<std::optional<at::Scalar>>(), c10::IValue("")};
    onednn_linear()->callBoxed(stack);
    matrix(c, m, weight.size(0)).copy_(stack.at(0).toTensor());
  };
}

template <typename T>
kernels::TimesMatrix<T> by_openblas(bool transposed, std::int64_t n, std::int64_t k, const T* b) {
  return [=](std::int64_t m, const T* a, T* c) { openblas::multiply(transposed, m, n, k, a, b, c); };
}

bool is_amd_with_avx512() {
#ifdef __x86_64__
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

}  // namespace

bool is_available(ProductLibrary library) {
  switch (library) {
    case ProductLibrary::onednn:
      return at::hasMKLDNN() && onednn_linear();
    case ProductLibrary::openblas:
      return openblas::is_available();
    default:
      return true;
  }
}

ProductLibrary usual_library() {
  if (!is_amd_with_avx512()) return ProductLibrary::torch;
  if (is_available(ProductLibrary::openblas)) return ProductLibrary::openblas;
  return is_available(ProductLibrary::onednn) ? ProductLibrary::onednn : ProductLibrary::torch;
}

std::string name_of(ProductLibrary library) {
  if (library == ProductLibrary::torch) return "torch";
  return library == ProductLibrary::onednn ? "onednn" : "openblas";
}

template <typename T>
kernels::Product<T> product(ProductLibrary library, bool bfloat16) {
  if (!is_available(library)) {
    throw std::invalid_argument("products: " + name_of(library) + " is not to be had here");
  }
  if (bfloat16) return {by_torch_in_bfloat16<T>};
  if (library == ProductLibrary::openblas) return {by_openblas<T>};
  if constexpr (std::is_same_v<T, float>) {
    if (library == ProductLibrary::onednn) return {by_onednn};
  }
  return {by_torch<T>};
}

template kernels::Product<float> product(ProductLibrary, bool);
template kernels::Product<double> product(ProductLibrary, bool);

}  // namespace msae::ops
