#include "train/product_library.h"

namespace msae::train {

ops::ProductLibrary product_library(const FusedOptions& options) {
  switch (options.products) {
    case Products::torch:
      return ops::ProductLibrary::torch;
    case Products::onednn:
      return ops::ProductLibrary::onednn;
    case Products::openblas:
      return ops::ProductLibrary::openblas;
    default:
      return ops::usual_library();
  }
}

}  // namespace msae::train
