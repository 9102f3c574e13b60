#include "cli/bench_report.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/table.h"
#include "msae/core/memory.h"

namespace msae::cli {
namespace {

using nlohmann::ordered_json;

StepSize size_of(const BenchProblem& problem, const EngineTimes& engine) {
  return {problem.rows(), problem.model.dim, problem.model.latents, engine.shape.entries,
          engine.shape.levels};
}

std::optional<double> stage_floor(const BenchReport& report, const EngineTimes& engine,
                                  const train::StageTime& stage) {
  const auto work = stage_work(stage.name, size_of(report.problem, engine));
  if (!work || !report.rates) return {};
  return floor_ms(*work, *report.rates);
}

double floor_of_step(const BenchReport& report, const EngineTimes& engine) {
  double sum = 0;
  for (const auto& stage : engine.stages) sum += stage_floor(report, engine, stage).value_or(0);
  return sum;
}

// A floor of 0 is of a stage that has nothing to do.
std::string share_of(double floor, double milliseconds) {
  return milliseconds > 0 ? percent(floor / milliseconds) : "";
}

void add_engine(Table& table, const BenchReport& report, const EngineTimes& engine) {
  for (const auto& stage : engine.stages) {
    const auto floor = stage_floor(report, engine, stage);
    table.add({engine.engine, stage.name, fixed(stage.milliseconds, 2), floor ? fixed(*floor, 2) : "",
               floor ? share_of(*floor, stage.milliseconds) : ""});
  }
  const auto floor = floor_of_step(report, engine);
  table.add({engine.engine, "step", fixed(engine.step, 2), floor > 0 ? fixed(floor, 2) : "",
             floor > 0 ? share_of(floor, engine.step) : ""});
}

std::string problem_text(const BenchProblem& problem, double active_fraction) {
  const auto& model = problem.model;
  const auto levels = models::level_count(model.activation);
  return models::kind(model.activation) + (levels > 1 ? " of " + std::to_string(levels) + " levels" : "") +
         ", " + std::to_string(problem.rows()) + " rows of dimension " + std::to_string(model.dim) + ", " +
         std::to_string(model.latents) + " latents, " + percent(active_fraction) +
         " of the pre-activations positive, " +
         (problem.device.is_cpu()
              ? std::to_string(problem.threads) + (problem.threads == 1 ? " thread" : " threads")
              : problem.device.str());
}

void print_engine(std::ostream& out, const EngineTimes& engine) {
  out << engine.engine << ": steps took from " << fixed(engine.least, 2) << " to " << fixed(engine.most, 2)
      << " ms";
  if (engine.shape.rows > 0) {
    out << "; " << engine.shape.entries << " active latents, " << engine.shape.levels
        << (engine.shape.levels == 1 ? " level" : " levels that differ");
  }
  out << "\n";
  for (const auto& use : engine.memory) {
    out << "  memory: " << use.name << " " << human_bytes(static_cast<std::uint64_t>(use.bytes)) << "\n";
  }
}

void print_ratio(std::ostream& out, const std::vector<EngineTimes>& engines) {
  for (std::size_t i = 1; i < engines.size(); ++i) {
    out << engines[i].engine << " takes " << fixed(engines[i].step / engines[0].step, 1)
        << " times as long as " << engines[0].engine << "\n";
  }
}

ordered_json sizes(const BenchProblem& problem) {
  return {{"model", models::kind(problem.model.activation)},
          {"rows", problem.rows()},
          {"dim", problem.model.dim},
          {"latents", problem.model.latents}};
}

ordered_json times_json(const EngineTimes& engine) {
  ordered_json json = {{"step_ms", engine.step}, {"min_ms", engine.least}, {"max_ms", engine.most}};
  if (engine.shape.rows > 0)
    json.update({{"entries", engine.shape.entries}, {"levels", engine.shape.levels}});
  return json;
}

ordered_json engine_json(const BenchReport& report, const EngineTimes& engine) {
  ordered_json json = {{"engine", engine.engine}};
  json.update(times_json(engine));
  json["memory"] = ordered_json::array();
  for (const auto& use : engine.memory) json["memory"].push_back({{"name", use.name}, {"bytes", use.bytes}});
  json["stages"] = ordered_json::array();
  for (const auto& stage : engine.stages) {
    ordered_json entry = {{"name", stage.name}, {"ms", stage.milliseconds}};
    if (const auto floor = stage_floor(report, engine, stage)) entry["floor_ms"] = *floor;
    json["stages"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace

void print(std::ostream& out, const BenchReport& report) {
  out << problem_text(report.problem, report.active_fraction) << "\n";
  if (report.rates) {
    out << "this machine: products " << fixed(report.rates->flops / 1e9, 1) << " GFLOP/s, copies "
        << fixed(report.rates->bytes / 1e9, 1) << " GB/s\n";
  }
  out << "\n";
  Table table({"engine", "stage", "ms", "floor ms", "floor / ms"});
  for (const auto& engine : report.engines) add_engine(table, report, engine);
  table.print(out);
  out << "\n";
  for (const auto& engine : report.engines) print_engine(out, engine);
  print_ratio(out, report.engines);
}

ordered_json to_json(const BenchReport& report) {
  auto json = sizes(report.problem);
  json["active_fraction"] = report.active_fraction;
  json["device"] = report.problem.device.str();
  json["threads"] = report.problem.threads;
  json["repeats"] = report.repeats;
  if (report.rates) {
    json["product_gflops"] = report.rates->flops / 1e9;
    json["copy_gbps"] = report.rates->bytes / 1e9;
  }
  json["engines"] = ordered_json::array();
  for (const auto& engine : report.engines) json["engines"].push_back(engine_json(report, engine));
  return json;
}

void print(std::ostream& out, const ScalingReport& report) {
  const auto& base = report.points.front();
  out << base.times.engine << ": " << problem_text(base.point.problem, base.active_fraction) << "\n\n";
  Table table({"varied", "to", "ms", "min ms", "max ms", "times base", "active latents"});
  for (const auto& [point, active, times] : report.points) {
    const bool tells = times.shape.rows > 0;
    table.add({point.varied, point.value, fixed(times.step, 2), fixed(times.least, 2), fixed(times.most, 2),
               fixed(times.step / base.times.step, 2), tells ? std::to_string(times.shape.entries) : ""});
  }
  table.print(out);
}

ordered_json to_json(const ScalingReport& report) {
  const auto& base = report.points.front();
  auto json = sizes(base.point.problem);
  json["active_fraction"] = base.active_fraction;
  json["device"] = base.point.problem.device.str();
  json["threads"] = base.point.problem.threads;
  json["repeats"] = report.repeats;
  json["engine"] = base.times.engine;
  json["scaling"] = ordered_json::array();
  for (const auto& [point, active, times] : report.points) {
    ordered_json entry = {{"varied", point.varied}};
    entry.update(sizes(point.problem));
    entry["active_fraction"] = active;
    entry["threads"] = point.problem.threads;
    entry["level_count"] = models::level_count(point.problem.model.activation);
    entry.update(times_json(times));
    json["scaling"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace msae::cli
