/// \file
/// Embeddings in a data set of an HDF5 file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "msae/data/listing.h"
#include "msae/data/source.h"

namespace msae::data {

/// `path` empty: the one two-dimensional floating-point data set of the file. \throws msae::IoError as open()
std::unique_ptr<EmbeddingSource> open_hdf5(const std::filesystem::path& file, const std::string& path);

/// Every data set of a file. \throws msae::IoError
std::vector<Listing> list_hdf5(const std::filesystem::path& file);

}  // namespace msae::data
