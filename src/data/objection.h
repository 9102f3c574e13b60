/// \file
/// Which arrays are embeddings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace msae::data {

/// What keeps an array from being embeddings, to follow its name; empty when nothing does.
/// \param type  how a message names the type of its elements
std::string objection(const std::vector<std::uint64_t>& shape, const std::string& type, bool is_floating);

/// "[41599, 512]"
std::string text(const std::vector<std::uint64_t>& shape);

}  // namespace msae::data
