/// \file
/// Which arrays are embeddings.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace msae::data {

/// What keeps an array from being embeddings, to follow its name; empty when nothing does.
/// \param type  how a message names the type of its elements
std::string objection(const std::vector<std::uint64_t>& shape, const std::string& type, bool is_floating);

/// What `text` says of the first of some items, for messages: "..., ... and 3 more".
template <class Item, class Text>
std::string first_few(const std::vector<Item>& items, const Text& text) {
  constexpr std::size_t most = 20;
  std::string list;
  for (std::size_t i = 0; i < std::min(most, items.size()); ++i) list += (i > 0 ? ", " : "") + text(items[i]);
  if (items.size() > most) list += " and " + std::to_string(items.size() - most) + " more";
  return list;
}

/// "[41599, 512]"
std::string text(const std::vector<std::uint64_t>& shape);

}  // namespace msae::data
