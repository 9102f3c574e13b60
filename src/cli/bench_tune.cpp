#include "cli/bench_tune.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/bench_engines.h"
#include "cli/table.h"
#include "ops/products.h"
#include "train/product_library.h"

namespace msae::cli {
namespace {

constexpr double never = 2;

double milliseconds_of(const EngineTimes& times, const std::string& stage) {
  const auto found = std::find_if(times.stages.begin(), times.stages.end(),
                                  [&](const train::StageTime& s) { return s.name == stage; });
  return found == times.stages.end() ? 0 : found->milliseconds;
}

EngineTimes time_fused(BenchProblem problem, const BenchInput& input, double dense_from, std::int64_t repeats,
                       const std::function<void(const std::string&)>& before_step) {
  auto& fused = problem.train.fused;
  fused.dense_decode = fused.dense_decoder_gradient = fused.dense_encoder_gradient = dense_from;
  return time_steps(problem, input, {"fused"}, repeats, before_step).front();
}

// The share at which both ways are even, in whole percent.
double even_share(const char* stage, double share, const EngineTimes& sparse, const EngineTimes& dense) {
  const auto even = share * milliseconds_of(dense, stage) / std::max(1e-9, milliseconds_of(sparse, stage));
  return even > 1 ? never : std::round(even * 100) / 100;
}

}  // namespace

TuneReport tune(const BenchProblem& asked, std::int64_t repeats,
                const std::function<void(const std::string&)>& before_step) {
  auto problem = asked;
  problem.model.activation = models::Relu{};
  const auto input = draw(problem);
  TuneReport report;
  for (const auto products : {train::Products::torch, train::Products::onednn, train::Products::openblas}) {
    problem.train.fused.products = products;
    const auto library = train::product_library(problem.train.fused);
    if (!ops::is_available(library)) continue;
    const auto times = time_fused(problem, input, never, repeats, before_step);
    report.products.push_back({ops::name_of(library), products, milliseconds_of(times, "encoder product")});
  }
  std::sort(report.products.begin(), report.products.end(),
            [](const ProductsTime& a, const ProductsTime& b) { return a.milliseconds < b.milliseconds; });
  auto& proposed = problem.train.fused;
  proposed.products = report.products.front().products;
  const auto sparse = time_fused(problem, input, never, repeats, before_step);
  const auto dense = time_fused(problem, input, 0, repeats, before_step);
  proposed.dense_decode = even_share("decode", input.active_fraction, sparse, dense);
  proposed.dense_decoder_gradient = even_share("ds + dW", input.active_fraction, sparse, dense);
  proposed.dense_encoder_gradient = even_share("dV", input.active_fraction, sparse, dense);
  report.proposed = proposed;
  return report;
}

void print(std::ostream& out, const TuneReport& report) {
  Table table({"products", "encoder product ms"});
  for (const auto& products : report.products) table.add({products.name, fixed(products.milliseconds, 2)});
  table.print(out);
  const auto& o = report.proposed;
  out << "\nFor this machine, on problems like this one:\n  msae train ... --products "
      << report.products.front().name << " --dense-decode " << fixed(o.dense_decode, 2)
      << " --dense-decoder-gradient " << fixed(o.dense_decoder_gradient, 2) << " --dense-encoder-gradient "
      << fixed(o.dense_encoder_gradient, 2) << "\n(2: never)\n";
}

nlohmann::ordered_json to_json(const TuneReport& report) {
  auto products = nlohmann::ordered_json::array();
  for (const auto& p : report.products) products.push_back({{"name", p.name}, {"ms", p.milliseconds}});
  const auto& o = report.proposed;
  return {{"products", products},
          {"proposed",
           {{"products", report.products.front().name},
            {"dense_decode", o.dense_decode},
            {"dense_decoder_gradient", o.dense_decoder_gradient},
            {"dense_encoder_gradient", o.dense_encoder_gradient}}}};
}

}  // namespace msae::cli
