// Libraries of dense products for the kernels, which know none.
#pragma once

#include <string>

#include "kernels/cpu/step.h"

namespace msae::ops {

/// A library of dense products; see train::Products.
enum class ProductLibrary { torch, onednn, openblas };
inline constexpr ProductLibrary all_product_libraries[] = {ProductLibrary::torch, ProductLibrary::onednn,
                                                           ProductLibrary::openblas};

/// Whether it can be had here: onednn where LibTorch has it, openblas where libopenblas.so.0 can be loaded.
bool is_available(ProductLibrary library);

/// The fastest one on this kind of processor, of those that are available.
ProductLibrary usual_library();

/// "torch", "onednn" or "openblas".
std::string name_of(ProductLibrary library);

/// Products on one thread each, where they are called from torch_executor()'s.
/// \param bfloat16 rounds factors and products to 8 bits; sums are of float32
/// \throws std::invalid_argument where the library is not available
template <typename T>
kernels::Product<T> product(ProductLibrary library, bool bfloat16 = false);

}  // namespace msae::ops
