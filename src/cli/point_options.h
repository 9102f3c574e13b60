// Options that choose among a model's latents, and who does.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "msae/models/coding.h"
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

struct CodingArguments {
  std::string codes = "encoder";  ///< several with commas, where a subcommand compares them
  std::optional<std::int64_t> candidates;
};

/// Adds --codes and --candidates.
void add_coding(CLI::App& command, CodingArguments& arguments);
/// The same, where --codes is a list.
void add_codings(CLI::App& command, CodingArguments& arguments);

/// At least one. \throws std::invalid_argument naming the option
std::vector<models::Coding> codings_of(const CodingArguments& arguments);
models::Coding coding_of(const CodingArguments& arguments);

/// "k=64", or "k=64, pursuit" where codes are not the encoder's.
std::string with_coding(const std::string& point, const std::string& codes);
/// A heading of tables of latents that are not the encoder's: "Codes: k=64, pursuit".
void print_codes(std::ostream& out, models::OperatingPoint point, const models::Coding& coding);

}  // namespace msae::cli
