#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/progress_bar.h"
#include "msae/core/error.h"
#include "msae/data/synthetic.h"

namespace msae::cli {
namespace {

struct SynthArguments {
  Common common;
  std::string out;
  bool force = false;
  data::SyntheticOptions options;
};

void run(SynthArguments& arguments) {
  const auto& common = arguments.common;
  apply(common);
  arguments.options.seed = common.seed;
  refuse_shared_files({{"OUT", arguments.out, {}}, json_target(common)});
  refuse_to_replace(arguments.out, arguments.force);
  data::SyntheticHierarchy data(arguments.options);
  watch_interrupts();
  ProgressBar bar(!common.quiet);
  using Clock = std::chrono::steady_clock;
  const auto worth_a_bar = Clock::now() + std::chrono::milliseconds(500);
  data::write_synthetic(data, arguments.out, [&](double share) {
    if (interrupted()) throw Error("interrupted, and " + arguments.out + " was not written");
    if (Clock::now() > worth_a_bar) bar.update(share, "writing " + arguments.out);
  });
  bar.clear();
  const auto& o = arguments.options;
  if (shows_table(common)) {
    std::cout << arguments.out << ": " << o.rows << " rows of dimension " << o.dim << " under /embeddings, "
              << o.concepts << " concepts in trees of depth " << o.depth << " under /truth\n";
  }
  write_json(common, {{"file", arguments.out},
                      {"rows", o.rows},
                      {"dim", o.dim},
                      {"concepts", o.concepts},
                      {"depth", o.depth},
                      {"seed", o.seed}});
}

}  // namespace

void add_synth(CLI::App& program) {
  auto& command =
      *program.add_subcommand("synth", "Make CLIP-like embeddings with a known concept hierarchy");
  auto arguments = std::make_shared<SynthArguments>();
  auto& a = *arguments;
  auto& o = a.options;
  command.add_option("OUT", a.out, "HDF5 file to write")->type_name("FILE")->required();
  command.add_flag("--force", a.force, "Replace an existing file");
  const auto whole = [&](const char* name, std::int64_t& value, const char* text) {
    add_whole(command, name, value, text)->capture_default_str();
  };
  const auto real = [&](const char* name, double& value, const char* text) {
    add_real(command, name, value, text)->capture_default_str();
  };
  whole("--rows", o.rows, "Embeddings to draw");
  whole("--dim", o.dim, "Length of an embedding");
  whole("--concepts", o.concepts, "Concepts in all");
  whole("--depth", o.depth, "Levels of each concept tree; 1: no hierarchy");
  whole("--branching", o.branching, "Children of a concept that has any");
  real("--active", o.active, "Mean number of concepts active in a row");
  real("--zipf", o.zipf, "Exponent of the concepts' frequencies by rank, from 0 to 10");
  real("--parent-cosine", o.parent_cosine,
       "Cosine of a child's direction to its parent's, from 0 to below 1");
  real("--mean-norm", o.mean_norm, "Norm of the common mean of the unit-norm rows, from 0 to below 1");
  real("--noise", o.noise, "Share of the energy around the mean that is noise, from 0 to below 1");
  add_seed(command, a.common, "everything that is drawn");
  add_common(command, a.common);
  command.footer(
      "A concept is active only where its parent is. The file holds /embeddings [rows, dim] float32 and, "
      "under /truth,\n"
      "the dictionary, the tree, the frequencies and every row's code (indptr, indices, values).\n"
      "Examples:\n"
      "  msae synth embeddings.h5\n"
      "  msae synth embeddings.h5 --rows 100000 --dim 256 --force");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
