/// \file
/// Which release this is.
#pragma once

#include <string>

#include "msae/core/export.h"

namespace msae {

/// The library's version, "MAJOR.MINOR.PATCH": that of the library at hand, not of the headers.
MSAE_EXPORT std::string version();

}  // namespace msae
