/// \file
/// The files of a model folder, and what its cfg.json says. Torch-free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "io/model_config.h"
#include "io/model_format.h"
#include "msae/models/model_options.h"

namespace msae::io {

inline constexpr std::uint64_t max_config_bytes = 100'000'000;

/// \throws msae::IoError when there is no such folder, it holds no cfg.json, or that is malformed
ModelConfig read_config(const std::filesystem::path& folder);

/// What a model of that cfg.json is made from.
/// \param where "<file>: " and the prefix of its keys, for messages
/// \throws msae::IoError  when the options are impossible
/// \throws msae::Error    when there is not enough memory for such a dictionary
models::SparseAutoencoderOptions options_of(const ModelConfig& config, const std::string& where);

}  // namespace msae::io
