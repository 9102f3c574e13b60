/// \file
/// Embeddings that lie row by row in a file, from some byte of it on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/file.h"
#include "data/half.h"
#include "msae/data/source.h"

namespace msae::data {

struct RawLayout {
  std::uint64_t begin = 0;  ///< byte of the first row
  std::int64_t rows = 0, dim = 0;
  Element element = Element::float32;
  bool swapped = false;  ///< the elements' byte order is not this machine's
};

/// \param name how messages name the rows
/// \throws msae::IoError when the file ends before the rows do
std::unique_ptr<EmbeddingSource> raw_file(files::File file, std::string name, const RawLayout& layout);

}  // namespace msae::data
