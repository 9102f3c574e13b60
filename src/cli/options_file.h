// Options from a TOML file: --config, and the options.toml of a run that is resumed. The command line wins.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/toml.h"

namespace msae::cli {

/// Adds --config to the program or a subcommand.
void add_config(CLI::App& command);

/// Stands where CLI11 would read its own kind of file: after the command line, before it asks whether all
/// required options are there.
class OptionsFile : public CLI::Config {
 public:
  /// Makes `program` call it; of any file, and none.
  static std::shared_ptr<OptionsFile> attach(CLI::App& program);
  explicit OptionsFile(CLI::App& program) : program_(program) {}

  /// Sets the options that the command line leaves open. \return nothing for CLI11 to do
  /// \throws CLI::ConfigError naming file and line
  std::vector<CLI::ConfigItem> from_config(std::istream& unused) const override;
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

  /// RUN of `msae train --out RUN --resume`, which takes everything else from RUN/options.toml; empty for any
  /// other call.
  std::string resumed_run() const;
  /// RUN/options.toml where there is one.
  std::string resumed_options() const;
  /// The file that was read; empty for none.
  const std::string& name() const { return file_; }
  /// Whether an option, "--lr", has its value from the file.
  bool gave(const std::string& option) const;
  /// Names of the options that have their values from the file.
  const std::set<std::string>& given() const { return given_; }

 private:
  [[noreturn]] void refuse(const std::string& sentence, long line = 0) const;
  std::string file_of_call() const;
  void read(CLI::App& command) const;
  std::vector<TomlEntry> entries() const;
  CLI::App& owner(const TomlEntry& entry, CLI::App& command) const;
  CLI::Option& find(const TomlEntry& entry, CLI::App& command) const;

  CLI::App& program_;
  mutable std::string file_;
  mutable std::set<std::string> given_;
};

/// The options of a subcommand that a file gave.
std::set<std::string> options_from_file(const CLI::App& command);

}  // namespace msae::cli
