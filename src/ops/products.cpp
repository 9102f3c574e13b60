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
torch::Tensor right_factor(bool transposed, const T* b, std::int64_t n, std::int64_t k) {
  return transposed ? matrix(b, n, k).t() : matrix(b, k, n);
}

template <typename T>
void by_torch(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b, T* c) {
  const torch::NoGradGuard no_grad;
  auto result = matrix(c, m, n);
  at::mm_out(result, matrix(a, m, k), right_factor(transposed, b, n, k));
}

template <typename T>
void by_torch_in_bfloat16(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                          const T* b, T* c) {
  const torch::NoGradGuard no_grad;
  matrix(c, m, n).copy_(
      at::mm(matrix(a, m, k).to(torch::kBFloat16), right_factor(transposed, b, n, k).to(torch::kBFloat16)));
}

// LibTorch's operator for linear layers; there is none that takes a place for its result.
const c10::OperatorHandle* onednn_linear() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found ? &*found : nullptr;
}

void by_onednn(bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
               const float* b, float* c) {
  const torch::NoGradGuard no_grad;
  const auto weight = transposed ? matrix(b, n, k) : matrix(b, k, n).t().contiguous();
  torch::jit::Stack stack{
      matrix(a, m, k), weight, c10::IValue(), "none", c10::List<std::optional<at::Scalar>>(),
      c10::IValue("")};
  onednn_linear()->callBoxed(stack);
  matrix(c, m, n).copy_(stack.at(0).toTensor());
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
  if (library == ProductLibrary::openblas) {
    return {[](bool transposed, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, const T* b,
               T* c) { openblas::multiply(transposed, m, n, k, a, b, c); }};
  }
  if constexpr (std::is_same_v<T, float>) {
    if (library == ProductLibrary::onednn) return {by_onednn};
  }
  return {by_torch<T>};
}

template kernels::Product<float> product(ProductLibrary, bool);
template kernels::Product<double> product(ProductLibrary, bool);

}  // namespace msae::ops
