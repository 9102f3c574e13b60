// What `msae bench --tune` proposes for this machine.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/bench_problem.h"
#include "msae/train/options.h"

namespace msae::cli {

/// A library of dense products, and what the encoder's takes with it.
struct ProductsTime {
  std::string name;
  train::Products products = train::Products::torch;
  double milliseconds = 0;
};

struct TuneReport {
  std::vector<ProductsTime> products;  ///< the fastest first
  train::FusedOptions proposed;
};

/// Times the fused engine on a model of one level, with each library that can be had, and with all stages
/// sparse and all dense: sums over active latents take as long as there are many, dense products always the
/// same, so the share at which they are even follows from one measurement of each.
/// \param before_step as of time_steps()
TuneReport tune(const BenchProblem& problem, std::int64_t repeats,
                const std::function<void(const std::string&)>& before_step);

void print(std::ostream& out, const TuneReport& report);
nlohmann::ordered_json to_json(const TuneReport& report);

}  // namespace msae::cli
