// Pictures made small, to be part of a page.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace msae::cli {

/// Where the rows' pictures are.
struct Pictures {
  std::vector<std::string> of;  ///< [rows]: a file, or an address of the web
};

/// \param name a folder, whose pictures are the rows' in the order of their names, numbers by value; or a text
///             file with a file (from its own folder on) or address a line
/// \param rows there have to be as many
/// \throws msae::IoError when there is no such thing, or another number
Pictures find_pictures(const std::string& name, std::int64_t rows);

/// Whether it is an address of the web, which a page can name and nobody reads here.
bool is_address(const std::string& picture);

/// A picture as a JPEG of at most `size` x `size`, as a data: address for a page; none where the file is
/// missing, too large or no picture.
std::optional<std::string> thumbnail(const std::string& file, int size);

}  // namespace msae::cli
