// Which latents a row keeps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lite/model.h"

namespace msae::lite {

/// What an operating point keeps: of the first `among` latents, those whose score is above a threshold, and
/// the k largest of these.
struct Choice {
  std::int64_t among = 0;
  std::int64_t k = 0;
  float threshold = 0;                ///< of all, where there are no
  std::span<const float> thresholds;  ///< [latents]
  bool by_threshold = false;          ///< whether these decide how many there are
};

/// \throws std::invalid_argument when the model has no such point
Choice choice_at(const Model& model, OperatingPoint point);

/// Appends what a choice keeps of a row of pre-activations [latents], ascending.
void append_best(const models::SparseAutoencoderOptions& options, const Choice& choice,
                 std::span<const float> pre, std::vector<ActiveLatent>& entries);

/// The same as latents: capped, and without zeros.
void append_kept(const models::SparseAutoencoderOptions& options, const Choice& choice,
                 std::span<const float> pre, std::vector<ActiveLatent>& entries);

}  // namespace msae::lite
