// Web pages that are complete in themselves: what all of them have.
#pragma once

#include <string>

namespace msae::cli {

/// Text for a page, where a name from a file must not become markup.
std::string escaped(const std::string& text);

/// Everything up to the page's own content: colours for light and dark, type, tables, plots, and `style`.
std::string page_begin(const std::string& title, const std::string& style);
/// The end of the page, with a script.
std::string page_end(const std::string& script);

}  // namespace msae::cli
