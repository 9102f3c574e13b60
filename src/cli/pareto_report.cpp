#include "cli/pareto_report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <stdexcept>

#include "cli/point_options.h"
#include "cli/table.h"
#include "core/printable.h"
#include "msae/eval/pareto.h"

namespace msae::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

fs::path whole_path(const std::string& folder) {
  const auto path = fs::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();  // "run/" is run
}

std::string last_parts(const fs::path& path, std::ptrdiff_t count) {
  const auto parts = std::distance(path.begin(), path.end());
  fs::path name;
  for (auto part = std::next(path.begin(), std::max<std::ptrdiff_t>(0, parts - count)); part != path.end();
       ++part) {
    name /= *part;
  }
  return name.string();
}

std::vector<std::string> shortest_names(const std::vector<RunReport>& reports) {
  std::set<fs::path> folders;
  for (const auto& report : reports) folders.insert(whole_path(report.run));
  for (std::ptrdiff_t count = 1;; ++count) {
    std::vector<std::string> names;
    std::ptrdiff_t most_parts = 0;
    for (const auto& report : reports) {
      const auto path = whole_path(report.run);
      names.push_back(last_parts(path, count));
      most_parts = std::max(most_parts, std::distance(path.begin(), path.end()));
    }
    if (std::set(names.begin(), names.end()).size() == folders.size() || count >= most_parts) return names;
  }
}

std::vector<eval::ParetoPoint> points_of(const RunReport& report) {
  std::vector<eval::ParetoPoint> points;
  points.reserve(report.evaluation.points.size());
  for (const auto& point : report.evaluation.points) {
    points.push_back({report.run, point.label, point.active, point.fvu});
  }
  return points;
}

const eval::Point& point_at(const ParetoReport& report, const ParetoReport::Place& place) {
  return report.runs[place.run].report.evaluation.points[place.point];
}

ordered_json with_run(const std::string& run, const eval::Point& point) {
  ordered_json json = {{"run", run}};
  json.update(to_json(point));
  return json;
}

// A field of CSV.
std::string csv_field(const ordered_json& value) {
  if (value.is_null() || (value.is_number_float() && !std::isfinite(value.get<double>()))) return {};
  if (!value.is_string()) return value.dump();
  return csv_text(value.get<std::string>());
}

}  // namespace

void refuse_runs_given_twice(const std::vector<std::string>& folders) {
  std::set<fs::path> known;
  for (const auto& folder : folders) {
    if (known.insert(whole_path(folder)).second) continue;
    throw std::invalid_argument("RUN: " + folder + " is given twice; name each run once");
  }
}

ParetoReport compare(std::vector<RunReport> reports) {
  ParetoReport result;
  std::vector<eval::ParetoPoint> all;
  std::vector<ParetoReport::Place> places;
  const auto names = shortest_names(reports);
  for (std::size_t run = 0; run < reports.size(); ++run) {
    const auto own = points_of(reports[run]);
    for (std::size_t point = 0; point < own.size(); ++point) places.push_back({run, point});
    all.insert(all.end(), own.begin(), own.end());
    reports[run].dominated.resize(own.size());
    const auto name = with_coding(names[run], reports[run].evaluation.codes);
    result.runs.push_back({std::move(reports[run]), name, eval::hypervolume(own)});
  }
  const eval::ParetoFrontier frontier(all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    result.runs[places[i].run].report.dominated[places[i].point] = frontier.dominated(i);
  }
  for (const auto i : frontier.frontier()) result.frontier.push_back(places[i]);
  result.hypervolume = eval::hypervolume(all);
  return result;
}

void print(std::ostream& out, const ParetoReport& report) {
  for (const auto& run : report.runs) {
    print(out, run.report);
    out << "\n";
  }
  print_hypervolumes(out, report);
}

void print_hypervolumes(std::ostream& out, const ParetoReport& report) {
  Table table({"run", "hypervolume"});
  for (const auto& run : report.runs) table.add({run.name, fixed(run.hypervolume, 4)});
  if (report.runs.size() > 1) table.add({"all together", fixed(report.hypervolume, 4)});
  table.print(out);
}

ordered_json to_json(const ParetoReport& report) {
  ordered_json json = {{"runs", ordered_json::array()},
                       {"frontier", ordered_json::array()},
                       {"hypervolume", report.hypervolume}};
  for (const auto& run : report.runs) {
    json["runs"].push_back(to_json(run.report));
    json["runs"].back()["hypervolume"] = run.hypervolume;
  }
  for (const auto& place : report.frontier) {
    json["frontier"].push_back(with_run(report.runs[place.run].report.run, point_at(report, place)));
  }
  return json;
}

std::string to_csv(const ParetoReport& report) {
  std::string text;
  const auto line = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) text += (i == 0 ? "" : ",") + fields[i];
    text += "\n";
  };
  for (const auto& run : report.runs) {
    for (std::size_t i = 0; i < run.report.evaluation.points.size(); ++i) {
      std::vector<std::string> names, fields;
      const auto point = with_run(run.report.run, run.report.evaluation.points[i]);
      for (const auto& [key, value] : point.items()) {
        names.push_back(key);
        fields.push_back(csv_field(value));
      }
      names.emplace_back("on_frontier");
      fields.emplace_back(run.report.dominated[i] ? "false" : "true");
      if (text.empty()) line(names);
      line(fields);
    }
  }
  return text;
}

}  // namespace msae::cli
