/// \file
/// The table of bad input: a case a row, each run through the program, checked and shown.
#pragma once

#include <map>

#include "cli/program.h"

namespace msae::test {

struct Case {
  std::string name;
  Arguments arguments;
  int exit_code;
  std::vector<std::string> words;  ///< of what it says on stderr
  std::size_t file_limit = 0;      ///< bytes; stands for a full disk
};

/// A Workplace in which every case leaves every file as it was, and no new one.
class BadInput : public testing::Test {
 protected:
  /// Prints "input | exit | message".
  static void show(const std::string& name, const Outcome& outcome);
  void check(const Case& wrong);
  void check(const std::vector<Case>& table);

  Workplace here;
};

/// bad.h5: /good [100, 8], /column [100, 1], and data sets that cannot be trained on; cut_*.h5, empty.h5,
/// links.h5, many.h5 of 3000 data sets, and fifo.
void make_bad_data(const Workplace& here);

/// models/NAME: the model of `run`, wrong in the way that its name says.
void make_bad_models(const Workplace& here);

/// states/NAME: `run` with a training state that is wrong in the way that its name says.
void make_bad_states(const Workplace& here);

}  // namespace msae::test
