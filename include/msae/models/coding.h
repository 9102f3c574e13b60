/// \file
/// How the code of a row is found. Torch-free.
#pragma once

#include <cstdint>
#include <string>

#include "msae/core/export.h"

namespace msae::models {

/// Who decides a row's latents and their values, once an OperatingPoint says how many there may be.
///
/// The encoder guesses both by one product. The others solve for the values: with the dictionary W and a row
/// u of model space (standardised, where the model normalises rows), they are the z of least
/// |u - pre_bias - z W|, not negative where latents are not, of any sign with Ranking::value and
/// Ranking::magnitude. No soft cap bounds them, no gradient goes through them, and they are computed on the
/// CPU, wherever the model is. They take many times as long as the encoder.
struct MSAE_EXPORT Coding {
  /// What makes the code.
  enum class Kind {
    encoder,  ///< the encoder: its latents, its values
    refit,    ///< the encoder's latents, with the values of least squares, of which those that are 0 are left
              ///< out; of more latents than dim, one answer of several
    /// Non-negative orthogonal matching pursuit (Bruckstein, Elad and Zibulevsky, IEEE Trans. Inf. Theory 54,
    /// 2008): latents join one by one, the one that explains most of what is left, and after each all values
    /// are those of least squares. As many as the point keeps: at most its k, or, where thresholds decide, at
    /// most what the encoder keeps of that row; of a prefix, latents of that prefix; never more than dim,
    /// beyond which least squares has no single answer.
    pursuit
  };
  Kind kind = Kind::encoder;  ///< which of them
  /// Of pursuit: it chooses among that many latents of each row, those that the encoder ranks best, which is
  /// faster and hardly worse with a few times k of them; 0: among all.
  std::int64_t candidates = 0;

  /// As the encoder has it.
  static Coding encoder() { return {}; }
  /// The encoder's latents, their values solved for.
  static Coding refit() { return {Kind::refit, 0}; }
  /// Latents chosen anew. \param candidates see Coding::candidates
  static Coding pursuit(std::int64_t candidates = 0) { return {Kind::pursuit, candidates}; }

  /// "encoder", "refit", "pursuit" or "pursuit among 256".
  std::string name() const;
  /// \throws std::invalid_argument when candidates are negative, or not of pursuit
  void validate() const;
};

/// The inverse of Coding::name(). \throws std::invalid_argument for any other text
MSAE_EXPORT Coding coding_named(const std::string& name);

}  // namespace msae::models
