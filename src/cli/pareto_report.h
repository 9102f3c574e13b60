// Several runs beside each other: which of their points are worth having, for people and for machines.
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/report.h"

namespace msae::cli {

/// One of the runs, by one kind of codes, and how the others leave it.
struct ComparedRun {
  RunReport report;        ///< with `dominated`
  std::string name;        ///< the end of the folder's path, as short as tells all runs apart, and the codes
  double hypervolume = 0;  ///< of its points alone
};

struct ParetoReport {
  /// A point by the numbers of its run and of itself in that run.
  struct Place {
    std::size_t run, point;
  };
  std::vector<ComparedRun> runs;
  std::vector<Place> frontier;  ///< by active ascending
  double hypervolume = 0;       ///< of all points together
};

/// \throws std::invalid_argument when two of the folders are one, "RUN: ..."
void refuse_runs_given_twice(const std::vector<std::string>& folders);

/// Of runs in different folders, or of one by different codes.
ParetoReport compare(std::vector<RunReport> reports);

void print(std::ostream& out, const ParetoReport& report);
void print_hypervolumes(std::ostream& out, const ParetoReport& report);
nlohmann::ordered_json to_json(const ParetoReport& report);
/// A line per point (RFC 4180), with the keys of the JSON as names, after a line of these.
std::string to_csv(const ParetoReport& report);

}  // namespace msae::cli
