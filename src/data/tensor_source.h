/// \file
/// Embeddings among the named tensors of a file: safetensors, or what torch.save wrote.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "msae/data/listing.h"
#include "msae/data/source.h"

namespace msae::data {

/// `name` empty: the one two-dimensional floating-point tensor of the file. \throws msae::IoError as open()
std::unique_ptr<EmbeddingSource> open_safetensors(const std::filesystem::path& file, const std::string& name);
std::vector<Listing> list_safetensors(const std::filesystem::path& file);

/// The same of a file that holds a tensor, which has no name, or a dict of tensors.
std::unique_ptr<EmbeddingSource> open_torch(const std::filesystem::path& file, const std::string& name);
std::vector<Listing> list_torch(const std::filesystem::path& file);

}  // namespace msae::data
