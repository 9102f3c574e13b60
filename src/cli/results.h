// Files that results are written to: never over something else, nor found to be impossible after the work.
#pragma once

#include <string>
#include <vector>

namespace msae::cli {

/// A file that an option names for results.
struct ResultFile {
  std::string option;                   ///< "--json", for messages
  std::string name;                     ///< empty: there is none, and nothing is done
  std::vector<std::string> beginnings;  ///< of results of this kind: a file that begins otherwise is no such
};

ResultFile json_file(const std::string& option, const std::string& name);
ResultFile csv_file(const std::string& option, const std::string& name);
ResultFile html_file(const std::string& option, const std::string& name);

/// Whether it can be written; asked before the work whose result would be lost.
/// \param folder_to_come a folder that the work will make, where the file may lie
/// \throws msae::IoError
void check_target(const ResultFile& file, const std::string& folder_to_come = {});

/// Before the work, too. A folder among `read` stands for the model in it.
/// \throws msae::IoError where two options name one file, or an option one that is read
void refuse_shared_files(const std::vector<ResultFile>& written, const std::vector<std::string>& read = {});

/// \throws msae::IoError, also where the work has made something else of that name
void write_result(const ResultFile& file, const std::string& text);

}  // namespace msae::cli
