#include "cli/bench_scaling.h"

#include <algorithm>

#include "cli/table.h"

namespace msae::cli {
namespace {

using models::BatchTopK;
using models::Matryoshka;
using models::PrefixMatryoshka;
using models::TopK;

void resize_levels(std::vector<std::int64_t>& levels, std::vector<double>& weights, std::int64_t from,
                   std::int64_t to) {
  const bool with_all = levels.back() == from;
  auto below = levels.size() - (with_all ? 1 : 0);
  while (below > 0 && (with_all ? levels[below - 1] >= to : levels[below - 1] > to)) --below;
  const double last_weight = weights.empty() ? 1 : weights.back();
  levels.resize(below);
  if (!weights.empty()) weights.resize(below);
  if (!with_all && !levels.empty()) return;
  levels.push_back(to);
  weights.push_back(last_weight);
  if (weights.size() < levels.size()) weights.clear();  // there were none
}

// The widest levels, so many of them.
void keep_widest(Matryoshka& nested, std::size_t count) {
  nested.levels.erase(nested.levels.begin(), nested.levels.end() - static_cast<std::ptrdiff_t>(count));
  nested.weights.clear();
}

class ScalingPoints {
 public:
  explicit ScalingPoints(const BenchProblem& base) : base_(base) { all_.push_back({"base", "", base}); }

  void vary_rows(std::int64_t rows) {
    if (rows < 1 || rows == base_.rows()) return;
    add("rows", std::to_string(rows)).train.batch_size = rows;
  }

  void vary_dim(std::int64_t dim) {
    if (dim < 1 || dim == base_.model.dim) return;
    add("dim", std::to_string(dim)).model.dim = dim;
  }

  void vary_latents(std::int64_t latents) {
    if (latents < 1 || latents == base_.model.latents) return;
    auto& model = add("latents", std::to_string(latents)).model;
    model.activation = resized(model.activation, model.latents, latents);
    model.latents = latents;
  }

  void vary_levels(std::size_t count) {
    const auto* nested = std::get_if<Matryoshka>(&base_.model.activation);
    if (!nested || count >= nested->levels.size()) return;
    auto& model = add("levels", std::to_string(count)).model;
    keep_widest(std::get<Matryoshka>(model.activation), count);
  }

  void vary_active(double share) {
    if (base_.active == share) return;
    add("active", percent(share)).active = share;
  }

  void vary_threads(int threads) {
    if (base_.threads == threads || !base_.device.is_cpu()) return;
    add("threads", std::to_string(threads)).threads = threads;
  }

  std::vector<ScalingPoint> take() { return std::move(all_); }

 private:
  BenchProblem& add(const char* varied, std::string value) {
    all_.push_back({varied, std::move(value), base_});
    return all_.back().problem;
  }

  BenchProblem base_;
  std::vector<ScalingPoint> all_;
};

}  // namespace

models::Activation resized(const models::Activation& activation, std::int64_t from, std::int64_t to) {
  auto result = activation;
  if (auto* topk = std::get_if<TopK>(&result)) topk->k = std::min(topk->k, to);
  if (auto* topk = std::get_if<BatchTopK>(&result)) topk->k = std::min(topk->k, to);
  if (auto* nested = std::get_if<Matryoshka>(&result)) {
    resize_levels(nested->levels, nested->weights, from, to);
  }
  if (auto* nested = std::get_if<PrefixMatryoshka>(&result)) {
    nested->k = std::min(nested->k, to);
    resize_levels(nested->sizes, nested->weights, from, to);
  }
  return result;
}

std::vector<ScalingPoint> scaling_points(const BenchProblem& base) {
  ScalingPoints points(base);
  const auto rows = base.rows(), dim = base.model.dim, latents = base.model.latents;
  for (const auto other : {rows / 4, rows / 2, 2 * rows}) points.vary_rows(other);
  for (const auto other : {dim / 2, 2 * dim}) points.vary_dim(other);
  for (const auto other : {latents / 2, 2 * latents, 4 * latents}) points.vary_latents(other);
  for (const auto count : {std::size_t{1}, std::size_t{4}}) points.vary_levels(count);
  for (const double share : {0.05, 0.2, 0.5}) points.vary_active(share);
  points.vary_threads(1);
  return points.take();
}

}  // namespace msae::cli
