#include "benchmarks/gpu/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "benchmarks/gpu/stage_work.h"
#include "cli/table.h"
#include "msae/core/memory.h"

namespace msae::gpu_benchmark {
namespace {

using cli::fixed;
using cli::percent;
using nlohmann::ordered_json;

StepSize size_of(const SizeReport& report) {
  const auto& stages = report.step.stages;
  const bool is_bfloat16 = report.problem.train.fused.precision == train::Precision::bfloat16;
  StepSize size{.rows = report.problem.rows(),
                .dim = report.problem.model.dim,
                .latents = report.problem.model.latents,
                .factor_bytes = is_bfloat16 ? 2 : 4};
  size.dense_encoder =
      std::any_of(stages.begin(), stages.end(), [](const auto& stage) { return stage.name == "dV, dense"; });
  for (std::size_t l = 0; l < report.step.kept.size(); ++l) {
    size.levels.push_back({report.step.kept[l], report.step.dense[l]});
  }
  return size;
}

// All of a step's stages as one: the floors of each, one after another.
struct Whole {
  double ms = 0, floor = 0, gather = 0;
  StageWork work;
};

Whole whole_of(const SizeReport& report) {
  const auto size = size_of(report);
  Whole whole;
  for (const auto& stage : report.step.stages) {
    whole.ms += stage.milliseconds;
    const auto work = stage_work(stage.name, size);
    if (!work) continue;
    whole.floor += floor_ms(*work, report.rates);
    whole.gather += gather_ms(*work, report.rates);
    whole.work.bytes += work->bytes;
    whole.work.product_flops += work->product_flops;
    whole.work.other_flops += work->other_flops;
    whole.work.gathered += work->gathered;
  }
  return whole;
}

std::string or_nothing(double value, int digits) {
  return value > 0 ? fixed(value, digits) : "";
}

std::vector<std::string> row_of(const std::string& name, double ms, const StageWork& work, double floor,
                                double gather) {
  const auto flops = work.product_flops + work.other_flops;
  return {name,
          fixed(ms, 4),
          fixed(work.bytes / 1e6, 1),
          or_nothing(flops / 1e9, 1),
          fixed(floor, 4),
          fixed(work.bytes / 1e6 / ms, 0),
          or_nothing(flops / 1e9 / ms, 1),
          percent(floor / ms),
          or_nothing(work.gathered / 1e6, 1),
          or_nothing(gather, 4)};
}

std::string problem_text(const SizeReport& report) {
  const auto& model = report.problem.model;
  const auto levels = models::level_count(model.activation);
  return models::kind(model.activation) + (levels > 1 ? " of " + std::to_string(levels) + " levels" : "") +
         ", " + std::to_string(report.problem.rows()) + " rows of dimension " + std::to_string(model.dim) +
         ", " + std::to_string(model.latents) + " latents, " + percent(report.active_fraction) +
         " of the pre-activations positive, " + name_of(report.problem.train.fused.precision);
}

std::string levels_text(const StepTimes& step, std::int64_t rows) {
  std::string text;
  for (std::size_t l = 0; l < step.keep.size(); ++l) {
    const auto per_row = static_cast<double>(step.kept[l]) / static_cast<double>(rows);
    text += (l > 0 ? ", " : "") + std::to_string(step.keep[l]) + " adds " + fixed(per_row, 1) +
            (step.dense[l] ? " (matrix)" : " (list)");
  }
  return text;
}

std::string dense_text(const std::vector<std::int64_t>& keep, const kernels::cuda::DenseLevels& dense) {
  std::string text;
  for (std::size_t l = 0; l < keep.size(); ++l) {
    if (dense[l]) text += (text.empty() ? "" : ",") + std::to_string(keep[l]);
  }
  return text.empty() ? "none" : text;
}

double rows_per_second(const SizeReport& report, double ms) {
  return static_cast<double>(report.problem.rows()) / (1e-3 * ms);
}

void print_whole(std::ostream& out, const SizeReport& report, const Whole& whole) {
  cli::Table table({"the whole step", "ms", "floor / ms", "rows/s"});
  const auto add = [&](const std::string& name, double ms) {
    table.add({name, fixed(ms, 4), percent(whole.floor / ms), fixed(rows_per_second(report, ms), 0)});
  };
  add("launch by launch", report.step.launched);
  add("as one graph", report.step.graph);
  add("engine, batch copied", report.engine.ms);
  table.print(out);
  out << "graphs took from " << fixed(report.step.least_graph, 4) << " to "
      << fixed(report.step.most_graph, 4) << " ms\n";
}

void print_memory(std::ostream& out, const EngineTimes& engine) {
  std::int64_t named = engine.batches;
  for (const auto& use : engine.memory) {
    out << "memory: " << use.name << " " << human_bytes(static_cast<std::uint64_t>(use.bytes)) << "\n";
    named += use.bytes;
  }
  out << "memory: at most " << human_bytes(static_cast<std::uint64_t>(engine.peak - engine.batches))
      << ", of which without a name "
      << human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(0, engine.peak - named)))
      << "; the batches of this program, " << human_bytes(static_cast<std::uint64_t>(engine.batches))
      << ", are not counted\n";
}

void print_sweep(std::ostream& out, const SizeReport& report) {
  if (report.sweep.empty()) return;
  cli::Table table({"dense level", "levels that are matrices", "dV", "graph ms"});
  for (const auto& point : report.sweep) {
    table.add({fixed(point.dense_level, 5), dense_text(report.step.keep, point.dense),
               point.dense_encoder ? "product" : "lists", fixed(point.graph, 4)});
  }
  table.print(out);
  const auto best = std::min_element(report.sweep.begin(), report.sweep.end(),
                                     [](const auto& a, const auto& b) { return a.graph < b.graph; });
  out << "best: a dense level of " << fixed(best->dense_level, 5) << "\n";
}

ordered_json levels_json(const StepTimes& step) {
  auto levels = ordered_json::array();
  for (std::size_t l = 0; l < step.keep.size(); ++l) {
    levels.push_back({{"keep", step.keep[l]}, {"kept", step.kept[l]}, {"dense", bool{step.dense[l]}}});
  }
  return levels;
}

ordered_json stages_json(const SizeReport& report) {
  const auto size = size_of(report);
  auto stages = ordered_json::array();
  for (const auto& stage : report.step.stages) {
    ordered_json entry = {{"name", stage.name}, {"ms", stage.milliseconds}};
    if (const auto work = stage_work(stage.name, size)) {
      entry["floor_ms"] = floor_ms(*work, report.rates);
      entry["bytes"] = work->bytes;
      entry["product_flops"] = work->product_flops;
      entry["other_flops"] = work->other_flops;
      entry["gathered"] = work->gathered;
    }
    stages.push_back(std::move(entry));
  }
  return stages;
}

ordered_json memory_json(const EngineTimes& engine) {
  auto memory = ordered_json::array();
  for (const auto& use : engine.memory) memory.push_back({{"name", use.name}, {"bytes", use.bytes}});
  return memory;
}

}  // namespace

void print(std::ostream& out, const Ceilings& c) {
  out << c.device << ", " << human_bytes(static_cast<std::uint64_t>(c.memory)) << ": memory "
      << fixed(c.copy / 1e9, 0) << " GB/s in copies, " << fixed(c.read / 1e9, 0)
      << " GB/s read; second cache of " << human_bytes(static_cast<std::uint64_t>(c.cache)) << " "
      << fixed(c.cache_read / 1e9, 0) << " GB/s read; products " << fixed(c.float32 / 1e12, 1)
      << " TF/s in float32, " << fixed(c.tf32 / 1e12, 1) << " in TF32, " << fixed(c.bf16 / 1e12, 1)
      << " in bf16\n";
}

void print(std::ostream& out, const SizeReport& report) {
  out << "\n"
      << problem_text(report) << "\n"
      << "latents a row: " << levels_text(report.step, report.problem.rows()) << "\n";
  const auto size = size_of(report);
  cli::Table table(
      {"stage", "ms", "MB", "GF", "floor ms", "GB/s", "TF/s", "floor / ms", "gathered MB", "gather ms"});
  for (const auto& stage : report.step.stages) {
    if (const auto work = stage_work(stage.name, size)) {
      table.add(row_of(stage.name, stage.milliseconds, *work, floor_ms(*work, report.rates),
                       gather_ms(*work, report.rates)));
    } else {
      table.add({stage.name, fixed(stage.milliseconds, 4), "", "", "", "", "", "", "", ""});
    }
  }
  const auto whole = whole_of(report);
  table.add(row_of("sum of the stages", whole.ms, whole.work, whole.floor, whole.gather));
  table.print(out);
  print_whole(out, report, whole);
  print_memory(out, report.engine);
  print_sweep(out, report);
}

void print(std::ostream& out, const TrainingTimes& t) {
  out << "\ntraining: " << t.rows << " rows of dimension " << t.dim << ", " << t.latents << " latents, "
      << t.epochs << " epochs, " << t.steps << " steps: " << fixed(t.seconds, 2) << " s, of which "
      << fixed(t.reading, 2) << " s reading (" << fixed(t.making, 2) << " s making the rows) and "
      << fixed(t.training, 2) << " s training, " << fixed(t.rows_per_second, 0) << " rows/s, steps of "
      << fixed(t.step_ms, 4) << " ms; memory at most " << human_bytes(static_cast<std::uint64_t>(t.peak))
      << "; loss " << fixed(t.loss, 4) << ", " << fixed(t.active, 1)
      << " latents active at the first level\n";
}

ordered_json to_json(const Ceilings& c) {
  return {{"device", c.device},         {"memory", c.memory},   {"cache", c.cache},
          {"copy_bytes", c.copy},       {"read_bytes", c.read}, {"cache_read_bytes", c.cache_read},
          {"float32_flops", c.float32}, {"tf32_flops", c.tf32}, {"bf16_flops", c.bf16}};
}

ordered_json to_json(const SizeReport& report) {
  const auto& model = report.problem.model;
  ordered_json json = {{"model", models::kind(model.activation)},
                       {"rows", report.problem.rows()},
                       {"dim", model.dim},
                       {"latents", model.latents},
                       {"precision", name_of(report.problem.train.fused.precision)},
                       {"active_fraction", report.active_fraction},
                       {"dense_level", report.problem.train.fused.dense_level},
                       {"levels", levels_json(report.step)},
                       {"stages", stages_json(report)},
                       {"floor_ms", whole_of(report).floor},
                       {"launched_ms", report.step.launched},
                       {"graph_ms", report.step.graph},
                       {"engine_ms", report.engine.ms},
                       {"rows_per_second", rows_per_second(report, report.engine.ms)},
                       {"memory", memory_json(report.engine)},
                       {"peak_bytes", report.engine.peak - report.engine.batches}};
  for (const auto& point : report.sweep) {
    json["sweep"].push_back({{"dense_level", point.dense_level},
                             {"dense", dense_text(report.step.keep, point.dense)},
                             {"dense_encoder", point.dense_encoder},
                             {"graph_ms", point.graph}});
  }
  return json;
}

ordered_json to_json(const TrainingTimes& t) {
  return {{"rows", t.rows},
          {"dim", t.dim},
          {"latents", t.latents},
          {"epochs", t.epochs},
          {"steps", t.steps},
          {"seconds", t.seconds},
          {"reading", t.reading},
          {"making", t.making},
          {"training", t.training},
          {"step_ms", t.step_ms},
          {"rows_per_second", t.rows_per_second},
          {"peak_bytes", t.peak},
          {"loss", t.loss}};
}

}  // namespace msae::gpu_benchmark
