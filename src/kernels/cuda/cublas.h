// Dense products by cuBLASLt.
#pragma once

#include <memory>

#include "kernels/cuda/products.h"
#include "kernels/cuda/step.h"

namespace msae::kernels::cuda {

/// How products of floats are made; those of bfloat16 have one way, with sums of floats.
enum class Multiplier {
  full,  ///< in float
  tf32   ///< of factors with 10 bits of mantissa
};

/// The same bits for the same shapes on the same kind of device. Not for several threads at a time.
template <typename F>
class Cublas final : public Products<F> {
 public:
  /// \throws DeviceError where the library cannot be had
  Cublas(Multiplier multiplier, const Allocate& allocate);
  ~Cublas() override;

  void multiply(Stream stream, const Product<F>& work, float* c) const override;
  void multiply_to_factors(Stream stream, const Product<F>& work, F* c) const override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace msae::kernels::cuda
