#pragma once

#include <string>

namespace msae {

/// The library's version, "MAJOR.MINOR.PATCH".
std::string version();

}  // namespace msae
