/// \file
/// Names of rows.
#pragma once

#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::data {

/// Reads a label for every row; all are held in memory.
/// \param name "file.h5:/path", a data set of strings or integers (taken as text), or a text file with a line
///             per row
/// \return [rows] labels
/// \throws msae::IoError when the file is missing or holds no such labels
MSAE_EXPORT std::vector<std::string> read_labels(const std::string& name);

}  // namespace msae::data
