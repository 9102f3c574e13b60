/// \file
/// What the library says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "msae/core/log.h"

namespace msae::test {

/// What the library says while this lives.
class Warnings {
 public:
  Warnings() {
    log::set_sink([this](log::Level, std::string_view line) { lines_.emplace_back(line); });
  }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
  ~Warnings() { log::set_sink({}); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace msae::test
