#include "cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/table.h"

namespace msae::cli {
namespace {

constexpr int bar_width = 24;
constexpr std::chrono::milliseconds between_redraws{100};
constexpr std::chrono::seconds between_lines{15};

// A line that wraps cannot be redrawn in place.
std::string cut_to_terminal(const std::string& line) {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return line;
  return line.substr(0, size.ws_col - 1u);
}

}  // namespace

ProgressBar::ProgressBar(bool shown)
    : shown_(shown),
      terminal_(::isatty(STDERR_FILENO) == 1),
      last_(std::chrono::steady_clock::now() - between_lines) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(double share, const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  const bool due = terminal_ ? now - last_ >= between_redraws : now - last_ >= between_lines;
  if (!shown_ || (!due && share < 1)) return;
  last_ = now;
  const auto done = percent(std::clamp(share, 0.0, 1.0));
  if (!terminal_) {
    std::cerr << done << "  " << text << std::endl;
    return;
  }
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * bar_width);
  std::cerr << "\r\033[K"
            << cut_to_terminal("[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] " +
                               done + "  " + text)
            << std::flush;
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

}  // namespace msae::cli
