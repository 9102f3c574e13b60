/// \file
/// Pages of the program in a browser, used as a reader would.
#pragma once

#include <string>

#include "cli/program.h"

namespace msae::test {

/// Chromium, by whichever name it is on the PATH; empty where it is not.
std::string find_browser(const Workplace& here);

/// Opens a page in a window of so many pixels, as it is but for a script at its end that does what a reader
/// does. \param what_the_reader_does JavaScript, with click(), type(), ... of browser.cpp, that fills `seen`
/// \return `seen`, and what went wrong in the page: trouble, a list of messages
nlohmann::json read_by(const std::string& browser, const Workplace& here, const std::string& page,
                       const std::string& what_the_reader_does, int width);

}  // namespace msae::test
