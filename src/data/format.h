/// \file
/// The kinds of files that embeddings come in. A new one is a file beside these, and a line in format.cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/name.h"
#include "msae/data/listing.h"
#include "msae/data/source.h"

namespace msae::data {

struct Format {
  std::string_view name;                      ///< for messages
  std::span<const std::string_view> endings;  ///< of files' names, each with its dot
  /// \param inside which of the file's arrays; empty: the one there is
  std::unique_ptr<EmbeddingSource> (*open)(const std::filesystem::path& file, const std::string& inside);
  std::vector<Listing> (*list)(const std::filesystem::path& file);
};

/// The format that a file's name tells; null for no such name.
const Format* format_by_ending(const std::filesystem::path& file);

/// The format to open a file with: HDF5 where its name tells none.
const Format& format_of(const std::filesystem::path& file);

/// A single file. \throws msae::IoError as open()
std::unique_ptr<EmbeddingSource> open_file(const Name& name);

}  // namespace msae::data
