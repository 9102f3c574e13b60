/// \file
/// Several files of embeddings as one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/name.h"
#include "msae/data/source.h"

namespace msae::data {

/// Whether a name is a folder's, or a pattern.
bool names_several(const std::string& file);

/// Whether a folder has files of embeddings, or is one that clip-retrieval made.
bool holds_embeddings(const std::string& folder);

/// The files that a folder or a pattern names, all of one format, in the order of their names, numbers in
/// them by value. \throws msae::IoError as open()
std::vector<std::filesystem::path> shards_of(const std::string& file);

/// Their rows one after the other. Few of the files are open at any time.
/// \param name what names the files, and the data set in each of them
/// \param text how messages name them all
/// \throws msae::IoError as open()
std::unique_ptr<EmbeddingSource> open_shards(const Name& name, const std::string& text);

/// Whether one name comes before another where digits are numbers: "a_9" before "a_10".
bool comes_before(const std::string& first, const std::string& second);

}  // namespace msae::data
