#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/evaluate_runs.h"
#include "cli/pareto_page.h"
#include "cli/pareto_report.h"
#include "cli/results.h"

namespace msae::cli {
namespace {

struct ParetoArguments : EvaluationArguments {
  std::string out, csv;
};

void run(ParetoArguments& a) {
  refuse_runs_given_twice(a.runs);
  const auto page = html_file("--out", a.out), csv = csv_file("--csv", a.csv);
  check_target(page);
  check_target(csv);
  refuse_shared_files({page, csv, json_target(a.common)}, a.runs);
  const auto data = prepare_to_evaluate(a);
  const auto report = compare(evaluate_runs(a, data));
  if (shows_table(a.common)) print(std::cout, report);
  write_result(page, to_page(report));
  write_result(csv, to_csv(report));
  auto json = to_json(report);
  for (auto& entry : json["runs"]) add_skipped(entry, a.read, data);
  write_json(a.common, json);
  if (!a.out.empty()) say(a.common, "The plot is in " + a.out + ", for a web browser");
}

}  // namespace

void add_pareto(CLI::App& program) {
  auto& command = *program.add_subcommand(
      "pareto", "Compare runs: which points are worth having, a plot, the hypervolume");
  auto arguments = std::make_shared<ParetoArguments>();
  arguments->usual_k = arguments->several_codes = true;
  add_runs(command, *arguments);
  command.add_option("--out", arguments->out, "A web page with the plot, complete in itself")
      ->type_name("FILE");
  command.add_option("--csv", arguments->csv, "A line per point: run, label, k, active, ..., on_frontier")
      ->type_name("FILE");
  add_ways_to_evaluate(command, *arguments);
  command.footer(
      about_figures() +
      "A point is dominated when another one, of any run, has no more active latents and no larger FVU, and "
      "less of one.\n"
      "Hypervolume: the area below the best 1 - FVU from 8 to 1024 active latents on a logarithmic scale, "
      "from "
      "0 to 1; where\n"
      "a run adds points below the lines between those of others, all together may have less than one.\n"
      "Examples:\n"
      "  msae pareto run other --data clip.h5:/test --out report.html\n"
      "  msae pareto run --data clip.h5:/test --codes encoder,refit,pursuit --out report.html\n"
      "  msae pareto sweep/*/ --data clip.h5:/test --k 8,32,128 --csv points.csv");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
