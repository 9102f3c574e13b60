/// \file
/// Which words say what a latent stands for.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "msae/concepts/vocabulary.h"
#include "msae/core/export.h"

namespace msae::concepts {

/// How latents are named.
struct MSAE_EXPORT NamingOptions {
  /// Share of meaningless directions that may get a name: the rule is calibrated so that at most so many of
  /// random rows, and of the dictionary's rows against shuffled words, would be named. Between 0 and 1.
  double chance = 0.05;
  /// No word names two latents: the assignment with the largest sum of cosines above the threshold (Hungarian
  /// method), so that a latent may get its second word, or none.
  bool unique = false;
  std::int64_t words = 5;   ///< best words that are told of each latent, at least 1
  std::uint64_t seed = 42;  ///< of random rows and shuffles

  /// \throws std::invalid_argument naming the field and the value
  void validate() const;
};

/// A word, and how near it is to a latent.
struct RankedWord {
  std::int64_t word = 0;  ///< its place in the vocabulary
  double cosine = 0;      ///< of its direction and the latent's row of the dictionary
};

/// What a latent is called.
struct LatentName {
  std::optional<std::int64_t> word = {};  ///< its place in the vocabulary; none: no word is near enough
  double cosine = 0;                      ///< of the name, or of the best word where there is no name
  double margin =
      0;  ///< of the name, or the best word, over the best other word; below 0 where that was taken
  std::vector<RankedWord> best = {};  ///< descending by cosine
};

/// Names of a dictionary, and how much they can be trusted.
struct Naming {
  std::vector<LatentName> latents = {};  ///< [latents]
  double threshold = 0;                  ///< cosine that a name needs
  std::int64_t named = 0;                ///< latents that have one
  /// Of as many random rows as there are latents, drawn anew after the calibration: would be named.
  std::int64_t random_named = 0;
  /// Latents that would be named by words whose coordinates are shuffled anew.
  std::int64_t shuffled_named = 0;
  std::int64_t candidates = 0;  ///< latents that could be named at all: see name_latents()
};

/// Names latents by the nearest words: the cosine of a row of the dictionary and Vocabulary::directions().
///
/// The threshold is the largest of eight (1 - chance) quantiles of the best word's cosine: four of random
/// unit rows, as many as there are candidates but at least 2,048, and four of the candidates' rows against
/// words of which each coordinate is permuted among the words, which keeps what coordinates are like and
/// takes away what words mean. At most 4,096 rows a time.
///
/// The published code compares words with W / scale + mean, where the mean outweighs the rest: most latents
/// get the same word.
/// \param dictionary [latents, dim], e.g. SparseAutoencoder::decoder
/// \param vocabulary of embeddings of that dimension
/// \param options    how strict to be
/// \param candidate  [latents] bool: those that may be named, such as those active on some data; undefined:
///                   all
/// \throws std::invalid_argument when an option is impossible
/// \throws c10::Error when shapes do not fit
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT Naming name_latents(const torch::Tensor& dictionary, const Vocabulary& vocabulary,
                                const NamingOptions& options = {}, const torch::Tensor& candidate = {});

}  // namespace msae::concepts
