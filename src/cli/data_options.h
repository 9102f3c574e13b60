// How DATA is read, for every subcommand that takes it.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/command.h"
#include "cli/progress_bar.h"
#include "msae/data/views.h"

namespace msae::cli {

/// Adds --unit-rows and --skip-bad-rows.
void add_row_options(CLI::App& command, data::ReadOptions& options);
/// Adds --holdout.
CLI::Option* add_holdout(CLI::App& command, data::ReadOptions& options, const std::string& what_for);

/// Shows how much of `name` is read. \throws msae::Error once interrupted()
std::function<void(double)> reading(ProgressBar& bar, const std::string& name);

/// Opens DATA as the options would have it; rows that are skipped are told of in a line on stderr.
/// \throws as data::open and data::prepare, and as reading()
data::Prepared open_data(const std::string& name, const data::ReadOptions& options, const Common& common);

/// What the text of an options.toml says, by name: of options with one value. \throws TomlError
std::map<std::string, std::string> options_in(const std::string& toml);

/// What RUN/options.toml says, as options_in(); empty for a model that is no run of ours,
/// or where the file cannot be read.
std::map<std::string, std::string> options_of_run(const std::string& run);

/// Remarks on stderr where `run` was trained on rows read otherwise, and where it has seen rows that are held
/// out now. All rows of what a part was held out from are a slip in an evaluation, not in encoding.
void say_how_rows_were_read(const std::string& run, const std::string& data, const data::ReadOptions& options,
                            const Common& common, bool all_rows_are_a_slip);

/// Adds what was made of the rows, EmbeddingSource::treatment(), where that is anything.
void add_view(nlohmann::ordered_json& json, const std::string& treatment);

/// Adds rows_skipped where rows were to be skipped.
void add_skipped(nlohmann::ordered_json& json, const data::ReadOptions& options, const data::Prepared& data);

}  // namespace msae::cli
