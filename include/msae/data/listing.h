/// \file
/// What a data file holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::data {

/// One data set of a file, or one tensor.
struct Listing {
  std::string path;  ///< inside the file, e.g. "/train/embeddings"; empty of a file's only one
  std::vector<std::uint64_t> shape;  ///< empty for a scalar
  std::string type;                  ///< "float16", "int32", "string", ...
  bool usable = false;               ///< as embeddings: two-dimensional, floating point, not empty
};

/// Every data set of an HDF5 file, every tensor of a file of safetensors or torch.save, in the file's order;
/// of a .npy file its array.
/// \throws msae::IoError when the file is missing, or none of what its ending says (HDF5 where that says
///         nothing)
MSAE_EXPORT std::vector<Listing> list(const std::filesystem::path& file);

}  // namespace msae::data
