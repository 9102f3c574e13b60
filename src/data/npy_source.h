/// \file
/// Embeddings in NumPy's .npy files, with a header, or without one as the published implementation writes
/// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/half.h"
#include "msae/data/listing.h"
#include "msae/data/source.h"

namespace msae::data {

/// What a header tells.
struct NpyHeader {
  std::vector<std::uint64_t> shape;
  std::string type;                ///< "float16", or as NumPy writes it: "<i4"
  std::optional<Element> element;  ///< none when we cannot read them
  bool swapped = false;            ///< their byte order is not this machine's
  bool fortran_order = false;      ///< columns one after the other
};

/// \param text of the header, a Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
/// \param file named in messages
/// \throws msae::IoError when it is not one
NpyHeader parse_npy_header(std::string_view text, const std::string& file);

/// A file without a header is named NAME_ROWS_DIM.npy and holds ROWS x DIM float32 in this machine's order.
/// \throws msae::IoError as open(), and when the file is shorter than its header says
std::unique_ptr<EmbeddingSource> open_npy(const std::filesystem::path& file);
/// The one array, which has no name. \throws msae::IoError as open_npy()
std::vector<Listing> list_npy(const std::filesystem::path& file);

}  // namespace msae::data
