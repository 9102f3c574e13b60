// Web pages that are complete in themselves: what all of them have.
#pragma once

#include <string>
#include <vector>

namespace msae::cli {

/// Text for a page, where a name from a file must not become markup.
std::string escaped(const std::string& text);

/// A row of a table: each cell in a `tag`, th or td.
std::string table_row(const std::vector<std::string>& cells, const std::string& tag,
                      const std::string& row_class = {});

/// Everything up to the page's own content: colours for light and dark, type, tables, plots, and `style`.
std::string page_begin(const std::string& title, const std::string& style);
/// The end of the page, with a script.
std::string page_end(const std::string& script);

}  // namespace msae::cli
