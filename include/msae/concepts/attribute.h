/// \file
/// What is known of rows: whether they have an attribute.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::concepts {

/// A column of 0 and 1.
struct Attribute {
  std::string name;                 ///< of the column; empty where there is one alone without a name
  std::vector<std::uint8_t> value;  ///< [rows], 0 or 1
};

/// Reads an attribute of rows.
/// \param data  "file.h5:/path", integers [rows] or [rows, attributes], or a text file with a 0 or 1 a line
/// \param name  which column: its name, in small letters or large, or its number from 0; empty where there is one alone
/// \param names a name for each column, as data::read_labels() takes it; empty: the data set
///              "attribute_names" beside the attributes, if there is one
/// \throws msae::IoError when a file is missing or holds no such thing, there is no column of that name
///         (offering near ones), or a value is neither 0 nor 1
MSAE_EXPORT Attribute read_attribute(const std::string& data, const std::string& name = {},
                                     const std::string& names = {});

}  // namespace msae::concepts
