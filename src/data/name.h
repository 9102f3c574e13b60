/// \file
/// How users name a data set of a file.
#pragma once

#include <string>

namespace msae::data {

struct Name {
  std::string file;
  std::string path;  ///< inside the file; empty where none is named
};

/// "file.h5:/path" into its two parts. A file whose own name looks like that wins, and "file.h5:path" will do
/// where file.h5 is there.
Name split_name(const std::string& text);

/// Whether a file's name is a pattern as shells know it, and no file is called so.
bool is_pattern(const std::string& file);

}  // namespace msae::data
