#pragma once

#include <string>

#include "msae/core/export.h"

namespace msae {

/// The library's version, "MAJOR.MINOR.PATCH".
MSAE_EXPORT std::string version();

}  // namespace msae
