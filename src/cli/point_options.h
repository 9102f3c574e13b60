// Options that choose among a model's latents.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "msae/models/sparse_autoencoder.h"

namespace msae::cli {

struct PointArguments {
  std::optional<std::int64_t> k, level;
  bool all = false;
  bool any() const { return k || level || all; }
};

/// Adds --k, --level and --all, which exclude each other.
void add_point(CLI::App& command, PointArguments& arguments);

/// \param name of the model, for messages \throws std::invalid_argument where the model has no such level
models::OperatingPoint point_of(const PointArguments& arguments, const models::SparseAutoencoder& model,
                                const std::string& name);

}  // namespace msae::cli
