// Every failure as one sentence.
#pragma once

#include <exception>
#include <string>

namespace msae::cli {

/// What happened, without the marks of where in the program.
std::string in_words(const std::exception& error);

}  // namespace msae::cli
