/// \file
/// Text from files, before it is handed on. Torch-free.
#pragma once

#include <string_view>

namespace msae::concepts {

/// Whether it is well-formed UTF-8 (RFC 3629: no overlong forms, surrogates, nor beyond U+10FFFF).
bool is_utf8(std::string_view text);

}  // namespace msae::concepts
