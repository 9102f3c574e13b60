/// \file
/// How many latents a model is asked for. Torch-free.
#pragma once

#include <cstdint>
#include <string>

#include "msae/core/export.h"

namespace msae::models {

/// Where on its sparsity axis a model is asked to work.
struct MSAE_EXPORT OperatingPoint {
  /// What decides how many latents are kept.
  enum class Kind {
    trained,  ///< relu: all; topk: its k; batch-topk, jump-relu and prefix-matryoshka: above their
              ///< thresholds; matryoshka: its first level
    level,    ///< one matryoshka level or prefix, from 0; other kinds have level 0 alone, which is as trained
    all,      ///< every latent that Ranking lets pass: the positive ones, unless told otherwise
    top       ///< the first k of these by Ranking, whatever the model was trained for
  };
  Kind kind = Kind::trained;  ///< which of them
  std::int64_t value = 0;     ///< level index or k

  /// As the model was trained.
  static OperatingPoint trained() { return {}; }
  /// A matryoshka level, from 0, the sparsest or shortest.
  static OperatingPoint level(std::int64_t index) { return {Kind::level, index}; }
  /// Every latent there is.
  static OperatingPoint all() { return {Kind::all, 0}; }
  /// The k largest latents of each row, k from 0 to all.
  static OperatingPoint top(std::int64_t k) { return {Kind::top, k}; }

  /// "trained", "level 1" (which is level(0)), "all" or "k=32".
  std::string label() const;
};

}  // namespace msae::models
