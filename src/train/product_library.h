// Which library of dense products the fused engine uses.
#pragma once

#include <string>

#include "msae/train/options.h"
#include "ops/products.h"

namespace msae::train {

/// What the options ask for; what is usual on this processor where they leave it open.
ops::ProductLibrary product_library(const FusedOptions& options);

/// Its name, which decides bits.
inline std::string products_name(const FusedOptions& options) {
  return ops::name_of(product_library(options));
}

}  // namespace msae::train
