// Plain text tables: first column to the left, numbers to the right.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace msae::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> cells);
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// A number with that many digits after the point.
std::string fixed(double value, int digits);
/// Text as a field of CSV: in quotes where it needs them.
std::string csv_text(const std::string& text);
/// "12.3 %"
std::string percent(double share);
/// 45 -> "45 s", 5400 -> "1 h 30 min"
std::string duration(double seconds);

}  // namespace msae::cli
