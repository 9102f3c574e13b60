/// \file
/// Text that is safe to show.
#pragma once

#include <string>

namespace msae {

/// On one line and without control characters: a name from a file may be meant for the reader's terminal.
inline std::string printable(std::string text) {
  for (auto& character : text) {
    if (character == '\n') character = ' ';
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = '?';
  }
  return text;
}

}  // namespace msae
