// What a Pursuit makes of many rows, as compressed sparse rows. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/pursuit.h"
#include "msae/models/coding.h"

namespace msae::models {

/// The codes of some rows at one operating point.
template <typename T>
struct CodeRows {
  std::vector<std::int64_t> counts;   ///< [rows]
  std::vector<std::int32_t> latents;  ///< [entries], ascending in a row
  std::vector<T> values;              ///< [entries], none zero
};

/// What is asked of a Pursuit at one or several points, which take one pass.
template <typename T>
struct CodeTask {
  const T* targets = nullptr;  ///< [rows, dim]
  std::int64_t rows = 0;
  std::vector<std::vector<std::int64_t>> most;  ///< [points][rows], latents at most
  std::span<const std::int64_t> starts;         ///< as of PursuitTask
  std::span<const std::int32_t> candidates;
};

/// \return one for each point
template <typename T>
std::vector<CodeRows<T>> codes_of(const Pursuit<T>& pursuit, const CodeTask<T>& task);

/// Whether what a pursuit chooses from is enough for k latents.
bool has_candidates(const Coding& coding, std::int64_t k);

/// \throws std::invalid_argument naming both, where a pursuit that may keep k latents has fewer to choose
///         from
void require_candidates(const Coding& coding, std::int64_t k);

/// Whether Pursuit::prepare() costs less than it spares so many rows.
/// \param latents, dim of the dictionary, or of the prefix that rows choose from
/// \param k            latents of a row at most; none where thresholds decide
bool pays_to_prepare(const Coding& coding, std::int64_t latents, std::int64_t dim, std::int64_t rows,
                     std::optional<std::int64_t> k);

/// Bytes that it may take.
std::uint64_t memory_to_prepare();

}  // namespace msae::models
