// Sources of embeddings, read whole, or refused; numbers of rows.
#pragma once

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "msae/core/error.h"
#include "msae/data/source.h"
#include "support/error_of.h"

namespace msae::test {

inline std::vector<float> read_all(data::EmbeddingSource& source) {
  std::vector<float> values(static_cast<std::size_t>(source.rows() * source.dim()));
  source.read(0, source.rows(), values);
  return values;
}

/// 0, 1, ...
inline std::vector<std::int64_t> ascending(std::int64_t count) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

/// What open() says against `data`.
inline std::string refusal(const std::string& data) {
  return error_of<IoError>([&] { data::open(data); });
}

}  // namespace msae::test
