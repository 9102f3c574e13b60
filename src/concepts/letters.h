/// \file
/// How far words are from each other. Torch-free.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <vector>

namespace msae::concepts {

/// ASCII letters in lower case, all else as it is.
inline std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char letter) {
    return static_cast<char>(letter < 0x80 ? std::tolower(letter) : letter);
  });
  return text;
}

/// Letters to add, drop or change (Levenshtein).
inline std::size_t letters_apart(const std::string& a, const std::string& b) {
  std::vector<std::size_t> cost(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) cost[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = cost[0];
    cost[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = cost[j];
      cost[j] = std::min({cost[j] + 1, cost[j - 1] + 1, changed});
    }
  }
  return cost[b.size()];
}

}  // namespace msae::concepts
