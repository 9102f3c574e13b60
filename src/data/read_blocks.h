/// \file
/// All rows of a source in their order, each block read while the one before it is looked at.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "msae/data/source.h"

namespace msae::data {

/// Calls `visit(first, values)` for blocks of `step` rows, the last may have fewer; `values`, [count, dim],
/// are the visitor's until it returns. Then `progress` with the share of rows that are done. Neither may read
/// from the source, which a thread does meanwhile.
/// \param step at least 1; about 4 MB unless said
/// \throws what reading, `visit` and `progress` throw
void read_blocks(EmbeddingSource& source, std::int64_t step, const std::function<void(double)>& progress,
                 const std::function<void(std::int64_t first, std::span<float> values)>& visit);
void read_blocks(EmbeddingSource& source, const std::function<void(double)>& progress,
                 const std::function<void(std::int64_t first, std::span<float> values)>& visit);

}  // namespace msae::data
