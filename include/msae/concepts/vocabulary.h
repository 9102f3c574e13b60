/// \file
/// Words, and where they lie among the embeddings.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::concepts {

/// Words with the embeddings that the text encoder of a model like CLIP gives them.
struct Vocabulary {
  std::vector<std::string> words;  ///< distinct, UTF-8, none empty
  torch::Tensor embeddings;        ///< [words, dim] float32, unit rows
  std::int64_t repeated = 0;       ///< rows that were taken together with earlier ones of the same word

  /// The directions to compare with: embeddings minus their own mean, which takes away what all texts have in
  /// common (the modality gap: texts and images lie apart), as unit rows; zero where a word is the mean.
  /// \return [words, dim] float32
  MSAE_EXPORT torch::Tensor directions() const;
};

/// Reads a vocabulary; all of it is held in memory.
///
/// A word that is there several times, as for several prompts, is one word: the mean of its unit embeddings.
/// \param embeddings as data::open() takes it, a row a word
/// \param words      as data::read_labels() takes it, a word a row
/// \return at least two words
/// \throws msae::IoError when a file is missing, the numbers of rows differ, a word is empty or not UTF-8, a
///         row or the mean of a word's is zero, or there are fewer than two words
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT Vocabulary read_vocabulary(const std::string& embeddings, const std::string& words);

}  // namespace msae::concepts
