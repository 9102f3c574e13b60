// How the rows of one call are coded.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "lite/model.h"
#include "lite/selection.h"
#include "models/pursuit.h"

namespace msae::lite {

/// What the model's whole dictionary is coded by, or that of its first latents.
models::Pursuit<float> pursuit_of(const Model& model, std::int64_t latents);

class Coder {
 public:
  /// \param model must stay
  /// \param rows  of the call
  /// \throws std::invalid_argument when the model has no such point, or the coding is impossible there
  Coder(const Model& model, OperatingPoint point, Coding coding, std::size_t rows);

  /// Whether it is the rows that are coded, and not their pre-activations.
  bool solves() const { return coding_.kind != Coding::Kind::encoder; }

  /// Appends the codes of some rows.
  /// \param targets [rows, dim], what the latents have to add up to; empty unless solves()
  /// \param pre     [rows, latents], pre-activations
  void append(std::span<const float> targets, std::span<const float> pre, SparseRows& codes) const;

 private:
  void append_solved(std::span<const float> targets, std::span<const float> pre, SparseRows& codes) const;

  const Model& model_;
  Choice choice_;
  Coding coding_;
  std::optional<models::Pursuit<float>> own_;  ///< in place of the model's
};

}  // namespace msae::lite
