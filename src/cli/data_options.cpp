#include "cli/data_options.h"

#include <nlohmann/json.hpp>

#include "cli/numbers.h"
#include "core/printable.h"
#include "msae/core/error.h"

namespace msae::cli {

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
    if (interrupted()) throw Error("interrupted while reading " + name + ", before anything was written");
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

void add_skipped(nlohmann::ordered_json& json, const data::ReadOptions& options, const data::Prepared& data) {
  if (options.skip_bad_rows) json["rows_skipped"] = data.skipped;
}

}  // namespace msae::cli
