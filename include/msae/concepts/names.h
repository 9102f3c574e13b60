/// \file
/// Names of latents in a file, beside the model they are of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "msae/concepts/naming.h"
#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::concepts {

/// What each latent is called.
struct Names {
  std::vector<std::string> of = {};  ///< [latents], empty where a latent has no name
  std::vector<double> cosine = {};   ///< [latents], of the name or the best word
  std::vector<double> margin = {};   ///< [latents], between the best word and the next
  /// [latents], the best words, the best first.
  std::vector<std::vector<std::string>> words = {};

  /// Latents of a name, compared letter by letter, those of larger cosine first; where there are none, those
  /// whose name is the same but for the case of ASCII letters.
  MSAE_EXPORT std::vector<std::int64_t> latents(const std::string& name) const;
  /// Names, each once, that look most like `name`: those that contain it or are in it, then by letters to
  /// change.
  MSAE_EXPORT std::vector<std::string> nearest(const std::string& name, std::size_t count = 5) const;
};

/// The names of a dictionary, in the words of a vocabulary.
MSAE_EXPORT Names names_of(const Naming& naming, const Vocabulary& vocabulary);

/// The file in a model's folder that holds its names.
inline constexpr const char* names_file = "names.json";

/// Writes names as JSON, whole or not at all, with a checksum of the dictionary they belong to.
/// \throws msae::IoError when the file cannot be written
MSAE_EXPORT void write_names(const std::filesystem::path& file, const models::SparseAutoencoder& model,
                             const Names& names);

/// Reads what write_names() wrote.
/// \throws msae::IoError when there is no such file, it is damaged, or its names are those of another
///         dictionary
MSAE_EXPORT Names read_names(const std::filesystem::path& file, const models::SparseAutoencoder& model);

}  // namespace msae::concepts
