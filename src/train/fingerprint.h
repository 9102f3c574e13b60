// Everything that decides the numbers of a run, in words: a resumed run must have the same.
#pragma once

#include <cstdint>
#include <string>

#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

/// "model=topk; dim=512; ..." Of the data: what views make of it, its size, and a digest of its first and
/// last row. The number of steps is part of it: the schedule depends on it.
std::string fingerprint(const models::SparseAutoencoder& model, const TrainOptions& options,
                        data::EmbeddingSource& data, std::int64_t steps);

/// Of a run on rows that are rounded to float16.
std::string with_rounded_rows(const std::string& fingerprint);
bool has_rounded_rows(const std::string& fingerprint);

/// Of a run that shuffles so many rows together, of pieces of `piece` rows, instead of all.
std::string with_pool(const std::string& fingerprint, std::int64_t rows, std::int64_t piece);
/// Rows that are shuffled together: data::all_rows where they are all.
std::int64_t shuffle_rows_in(const std::string& fingerprint);

/// What a fingerprint has under a key; empty where it has none.
std::string value_in(const std::string& fingerprint, const std::string& key);

/// "lr was 0.001 and is 0.5 now, ..." for two fingerprints; empty when they agree.
std::string differences(const std::string& before, const std::string& now);

}  // namespace msae::train
