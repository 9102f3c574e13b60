#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/evaluate_runs.h"
#include "cli/failure.h"
#include "cli/pareto_page.h"
#include "cli/pareto_report.h"
#include "cli/results.h"
#include "cli/sweep_config.h"
#include "cli/table.h"
#include "cli/train_run.h"
#include "core/printable.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "train/fingerprint.h"
#include "train/run_folder.h"

namespace msae::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

struct SweepArguments {
  Common common;
  bool device_is_typed = false;
  std::string config, out;
};

// Of a run's own file, as the words of a fingerprint: what decides its numbers.
std::string what_counts(std::map<std::string, std::string> options) {
  for (const auto* name :
       {"out", "eval", "save-every", "log-every", "memory", "threads", "device", "by-default"})
    options.erase(name);
  std::string words;
  for (const auto& [name, value] : options) {
    const auto text = name == "data" ? fs::path(value).lexically_normal().string() : value;
    words.append(words.empty() ? "" : "; ").append(name).append("=").append(text);
  }
  return words;
}

std::string in_options_of_training(const std::string& sentence) {
  CLI::App command;
  TrainArguments unused;
  add_train_options(command, unused);
  return in_options(command, sentence);
}

class Sweep {
 public:
  explicit Sweep(SweepArguments arguments) : a_(std::move(arguments)), runs_(read_sweep(a_.config)) {
    if (a_.out.empty()) a_.out = shared().out;
    if (a_.out.empty()) {
      throw std::invalid_argument("--out: must name a folder for the runs, here or by out = \"FOLDER\" in " +
                                  a_.config);
    }
    for (auto& [name, arguments_of_run] : runs_) {
      arguments_of_run.out = (fs::path(a_.out) / name).string();
      arguments_of_run.resume = fs::exists(arguments_of_run.out);
      auto& common = arguments_of_run.common;
      common.quiet = a_.common.quiet;
      common.verbose = a_.common.verbose;
      if (a_.common.threads > 0) common.threads = a_.common.threads;
      if (a_.device_is_typed) common.device = a_.common.device;
    }
  }

  void run() {
    for (const auto& file : report_files()) check_target(file, fs::exists(a_.out) ? "" : a_.out);
    if (shared().read.skip_bad_rows) for_each_plan(*data::open(shared().data), [](const auto&...) {});
    data_ = open_data(shared().data, shared().read, a_.common);
    for_each_plan(*data_.rows, require_same_options);
    const auto evaluated = open_evaluation_data(shared(), data_);
    make_folder();
    for (index_ = 0; index_ < runs_.size(); ++index_) train();
    rows_on_device_.reset();
    if (evaluated && !trained_.empty()) compare_on(evaluated);
    write_json(a_.common, json_);
    if (!failed_.empty()) {
      throw Error(std::to_string(failed_.size()) + " of " + std::to_string(runs_.size()) +
                  " runs failed: " + CLI::detail::join(failed_, ", ") + "; the others are in " + a_.out);
    }
    if (!evaluated) say(a_.common, "See where they stand: msae pareto " + a_.out + "/*/ --data DATA");
  }

 private:
  const TrainArguments& shared() const { return runs_.front().arguments; }

  std::vector<ResultFile> report_files() const {
    const auto named = [&](const char* name) { return (fs::path(a_.out) / name).string(); };
    return {html_file("--out", named("pareto.html")), csv_file("--out", named("pareto.csv")),
            json_file("--out", named("pareto.json"))};
  }

  // What can be refused before the first run is begun.
  void for_each_plan(const data::EmbeddingSource& rows,
                     const std::function<void(const TrainArguments&, const TrainPlan&)>& look) const {
    for (const auto& [name, arguments] : runs_) {
      try {
        apply(arguments.common);
        resolve_device(arguments.common.device);
        const auto planned = plan_quietly(arguments, rows);
        train::RunFolder::check(planned.run);
        look(arguments, planned);
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument(a_.config + ", run " + name + ": " +
                                    in_options_of_training(error.what()));
      }
    }
  }

  // Of a run that is there.
  static void require_same_options(const TrainArguments& arguments, const TrainPlan& planned) {
    if (!train::RunFolder::has_state(planned.run)) return;
    auto before = options_of_run(arguments.out);
    const auto now = options_in(planned.run.description);
    if (now.count("shuffle-rows") == 0)
      before.erase("shuffle-rows");  // auto: a run keeps to what it began with
    const auto changed = train::differences(what_counts(before), what_counts(now));
    if (changed.empty()) return;
    throw IoError(arguments.out + ": holds a run with other options: " + changed +
                  "; go on without changing them, or name a new folder by --out");
  }

  void make_folder() const {
    std::error_code error;
    fs::create_directories(a_.out, error);
    if (error) throw IoError(a_.out + ": cannot be made: " + error.message());
  }

  std::string place() const {
    return "run " + std::to_string(index_ + 1) + " of " + std::to_string(runs_.size()) + ", " +
           printable(runs_[index_].name);
  }

  // One run. A failure is told, and left to the end: the next may do.
  void train() {
    const auto& arguments = runs_[index_].arguments;
    const auto begun = Clock::now();
    train::TrainResult result;
    try {
      apply(arguments.common);
      result = train_as_planned(
                   plan(arguments, *data_.rows), *data_.rows, arguments.common,
                   [this](ProgressBar& bar, const train::Progress& p) { show(bar, p); }, rows_on_device_)
                   .result;
    } catch (const std::exception& error) {
      if (interrupted()) stop(0);
      failed_.push_back(runs_[index_].name);
      std::cerr << "msae: " << place() << " failed: " << printable(in_words(error)) << std::endl;
      json_["runs"].push_back({{"run", arguments.out}, {"finished", false}, {"error", in_words(error)}});
      return;
    }
    json_["runs"].push_back(to_json(arguments, result));
    if (!result.finished) stop(result.steps);
    say(a_.common, place() + ": " + outcome_text(result));
    trained_.push_back(arguments.out);
    if (!result.last) return;  // nothing to do: no measure of those to come
    seconds_ += std::chrono::duration<double>(Clock::now() - begun).count();
    ++timed_;
  }

  [[noreturn]] void stop(std::int64_t steps) const {
    write_json(a_.common, json_);
    throw Error("interrupted in " + place() + (steps > 0 ? ", after step " + std::to_string(steps) : "") +
                "; go on with: msae sweep " + a_.config + " --out " + a_.out);
  }

  void show(ProgressBar& bar, const train::Progress& p) const {
    const auto all = static_cast<double>(runs_.size()), before = static_cast<double>(index_);
    const auto of_one = timed_ > 0 ? seconds_ / timed_ : p.seconds + p.seconds_left;
    const auto left = p.seconds_left + (all - before - 1) * of_one;
    bar.update((before + share_done(p)) / all,
               place() + ": " + progress_text(p) + "  " + duration(left) + " left in all");
  }

  void compare_on(const std::shared_ptr<data::EmbeddingSource>& rows) {
    EvaluationArguments evaluation;
    evaluation.common = shared().common;
    evaluation.runs = trained_;
    evaluation.data = shared().eval.empty() ? shared().data : shared().eval;
    evaluation.read = shared().read;
    if (!shared().eval.empty()) evaluation.read.holdout = 0;
    evaluation.usual_k = true;
    const auto report = compare(evaluate_runs(evaluation, {.rows = rows}));
    if (shows_table(a_.common)) print_hypervolumes(std::cout, report);
    const auto files = report_files();
    write_result(files[0], to_page(report));
    write_result(files[1], to_csv(report));
    json_["pareto"] = to_json(report);
    write_result(files[2], json_text(json_["pareto"]));
    say(a_.common, "The plot is in " + files[0].name + ", for a web browser");
  }

  SweepArguments a_;
  std::vector<SweepRun> runs_;
  data::Prepared data_;
  std::shared_ptr<train::KeptRows> rows_on_device_ =
      std::make_shared<train::KeptRows>();  // read once for all
  std::size_t index_ = 0;
  std::vector<std::string> trained_, failed_;  // folders; names
  double seconds_ = 0, timed_ = 0;
  ordered_json json_ = {{"runs", ordered_json::array()}};
};

constexpr const char* footer =
    "CONFIG.toml names options of 'msae train' below [sweep]. Any of them may be a list, of which every run "
    "takes one\n"
    "value (a list of numbers is one value of levels and weights; a list of strings, \"8,64\", is several); "
    "those without a\n"
    "say in a model, as k in matryoshka, do not multiply its runs. With eval or holdout all are compared at "
    "the end, as by\n"
    "'msae pareto': pareto.html, pareto.csv and pareto.json in FOLDER.\n"
    "Each run is a folder as of 'msae train', named by what varies. Ctrl-C saves; the same call goes on: "
    "finished runs are\n"
    "skipped, failed ones tried again.\n"
    "An example of CONFIG.toml, of 14 runs:\n"
    "  [sweep]\n"
    "  data = \"clip.h5:/train\"\n"
    "  eval = \"clip.h5:/test\"\n"
    "  out = \"sweep\"\n"
    "  model = [\"matryoshka\", \"topk\", \"relu\"]\n"
    "  weights = [\"uniform\", \"reverse\"]  # of matryoshka alone: 2 x 2 seeds\n"
    "  k = [16, 32, 64, 128]              # of topk alone: 4 x 2 seeds\n"
    "  seed = [1, 2]\n"
    "  epochs = 10\n"
    "  unit-rows = true\n"
    "Examples:\n"
    "  msae sweep CONFIG.toml\n"
    "  msae sweep examples/sweep.toml --out other --quiet";

}  // namespace

void add_sweep(CLI::App& program) {
  auto& command =
      *program.add_subcommand("sweep", "Train many models, every combination of lists of options");
  auto arguments = std::make_shared<SweepArguments>();
  auto& a = *arguments;
  command.add_option("CONFIG", a.config, "Options of the runs (see below)")->type_name("FILE")->required();
  command.add_option("--out", a.out, "Folder of the runs [out in CONFIG]")->type_name("FOLDER");
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(footer);
  command.callback([arguments, &command] {
    arguments->device_is_typed = command.count("--device") > 0;
    cli::apply(arguments->common, arguments->out);
    watch_interrupts();
    Sweep(*arguments).run();
  });
}

}  // namespace msae::cli
