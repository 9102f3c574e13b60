/// \file
/// Names of rows.
#pragma once

#include <string>
#include <vector>

namespace msae::data {

/// Reads a label for every row: "file.h5:/path" is a data set of strings or integers (taken as text),
/// anything else a text file with a line per row. All are held in memory. \throws msae::IoError when the file
/// is missing or holds no such labels
std::vector<std::string> read_labels(const std::string& name);

}  // namespace msae::data
