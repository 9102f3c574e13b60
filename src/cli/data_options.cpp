#include "cli/data_options.h"

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/numbers.h"
#include "cli/toml.h"
#include "core/file.h"
#include "core/printable.h"
#include "data/name.h"
#include "msae/core/error.h"

namespace msae::cli {
namespace {

// Whether two names are of the same rows, however they are spelt.
bool are_one(const std::string& first, const std::string& second) {
  const auto a = data::split_name(first), b = data::split_name(second);
  const auto inside = [](const std::string& path) { return std::filesystem::path(path).lexically_normal(); };
  std::error_code ignored;
  return std::filesystem::equivalent(a.file, b.file, ignored) &&
         (a.path.empty() || b.path.empty() || inside(a.path) == inside(b.path));
}

}  // namespace

void add_row_options(CLI::App& command, data::ReadOptions& options) {
  command.add_flag("--unit-rows", options.unit_rows, "Divide every row by its norm (a zero row stays zero)");
  command.add_flag("--skip-bad-rows", options.skip_bad_rows,
                   "Leave out rows with NaN or Inf, and count them [an error]");
}

CLI::Option* add_holdout(CLI::App& command, data::ReadOptions& options, const std::string& what_for) {
  return add_real(command, "--holdout", options.holdout, what_for)->type_name("SHARE");
}

std::function<void(double)> reading(ProgressBar& bar, const std::string& name) {
  return [&bar, name](double share) {
    if (share < 1) bar.update(share, "reading " + printable(name));  // not worth a line where it took no time
    if (interrupted()) throw Error("interrupted while reading " + name + "; nothing was written");
  };
}

data::Prepared open_data(const std::string& name, const data::ReadOptions& options, const Common& common) {
  options.validate();
  const std::shared_ptr<data::EmbeddingSource> source = data::open(name);
  ProgressBar bar(!common.quiet);
  auto data = data::prepare(source, options, reading(bar, source->name()));
  bar.clear();
  if (data.skipped > 0) {
    say(common, "msae: " + printable(source->name()) + ": " + std::to_string(data.skipped) +
                    (data.skipped == 1 ? " row" : " rows") + " with NaN or Inf skipped, the first is row " +
                    std::to_string(data.first_skipped));
  }
  return data;
}

std::map<std::string, std::string> options_in(const std::string& toml) {
  std::map<std::string, std::string> options;
  for (const auto& entry : parse_toml(toml)) {
    if (entry.values.size() == 1) options[entry.name] = entry.values[0];
  }
  return options;
}

std::map<std::string, std::string> options_of_run(const std::string& run) {
  try {
    return options_in(files::read_text(std::filesystem::path(run) / "options.toml", 1 << 20));
  } catch (const IoError&) {
    return {};
  } catch (const TomlError&) {
    return {};
  }
}

void say_how_rows_were_read(const std::string& run, const std::string& data, const data::ReadOptions& options,
                            const Common& common, bool all_rows_are_a_slip) {
  const auto trained = options_of_run(run);
  if (trained.empty()) return;
  const auto value = [&](const std::string& name) {
    const auto found = trained.find(name);
    return found == trained.end() ? "" : found->second;
  };
  if ((value("unit-rows") == "true") != options.unit_rows) {
    say(common, "msae: " + printable(run) + " was trained " + (options.unit_rows ? "without" : "with") +
                    " --unit-rows, which is " + (options.unit_rows ? "" : "not ") + "given now");
  }
  const auto holdout = value("holdout");
  const double share = holdout.empty() ? 0 : std::strtod(holdout.c_str(), nullptr);
  if (share == options.holdout || !are_one(value("data"), data)) return;
  if (options.holdout > 0) {
    say(common, "msae: " + printable(run) + " was trained " +
                    (share > 0 ? "with --holdout " + holdout : "without --holdout") +
                    ", so it has seen some of the rows that are held out now");
  } else if (all_rows_are_a_slip) {
    say(common, "msae: " + printable(run) + " was trained on some of these rows; --holdout " + holdout +
                    " evaluates on those alone that it has not seen");
  }
}

void add_view(nlohmann::ordered_json& json, const std::string& treatment) {
  if (!treatment.empty()) json["view"] = treatment;
}

void add_skipped(nlohmann::ordered_json& json, const data::ReadOptions& options, const data::Prepared& data) {
  if (options.skip_bad_rows) json["rows_skipped"] = data.skipped;
}

}  // namespace msae::cli
