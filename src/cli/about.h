// `msae --version`: what a report of a problem needs.
#pragma once

#include <string>

namespace msae::cli {

/// "msae 0.1.0" and a line for each thing that results may depend on.
std::string about();

}  // namespace msae::cli
