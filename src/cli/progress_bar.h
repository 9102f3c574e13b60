// How far a long job has come, on stderr: a bar that redraws itself in a terminal, a line now and then
// elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace msae::cli {

class ProgressBar {
 public:
  /// \param shown false: nothing is ever printed
  explicit ProgressBar(bool shown);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// \param share done, from 0 to 1  \param text what else there is to say
  void update(double share, const std::string& text);
  /// Clears the bar, so that other lines start on a clean one.
  void clear();

 private:
  bool shown_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace msae::cli
