#include "cli/train_model.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace msae::cli {
namespace {

std::vector<double> weights_of(const TrainArguments& a, const std::vector<std::int64_t>& levels) {
  const bool by_log = a.weights == "auto" && a.preset == "default" && a.model == "matryoshka";
  if (by_log || a.weights == "trapezoid") return models::trapezoid_weights(levels);
  if (a.weights == "reverse") return models::reverse_weights(levels.size());
  if (a.weights == "auto" || a.weights == "uniform") return std::vector<double>(levels.size(), 1.0);
  return parse_numbers(a.weights, "--weights");
}

models::Activation activation_of(const TrainArguments& a, std::int64_t latents) {
  const std::int64_t usual = a.model == "batch-topk" && a.preset == "reference" ? 32 : 64;
  const auto k = a.k.value_or(std::min(usual, latents));
  if (a.model == "relu") return models::Relu{};
  if (a.model == "topk") return models::TopK{k};
  if (a.model == "batch-topk") return models::BatchTopK{k};
  if (a.model == "jump-relu") {
    models::JumpRelu jump;
    jump.threshold = a.threshold.value_or(jump.threshold);
    jump.bandwidth = a.bandwidth.value_or(jump.bandwidth);
    return jump;
  }
  auto levels = levels_of(a, latents);
  auto weights = weights_of(a, levels);
  if (a.model == "matryoshka")
    return models::Matryoshka{std::move(levels), std::move(weights), a.batch_levels};
  return models::PrefixMatryoshka{k, std::move(levels), std::move(weights)};
}

}  // namespace

bool has_levels(const TrainArguments& a) {
  return a.model == "matryoshka" || a.model == "prefix-matryoshka";
}

void refuse_what_does_not_apply(const TrainArguments& a) {
  const auto refuse_unless = [&](bool applies, bool given, const char* option, const char* of) {
    if (!given || applies) return;
    throw DoesNotApply(std::string(option) + ": is for " + of + ", not for --model " + a.model);
  };
  const bool matryoshka = a.model == "matryoshka", jump = a.model == "jump-relu";
  const bool has_k = a.model == "topk" || a.model == "batch-topk" || a.model == "prefix-matryoshka";
  const char* nested = "matryoshka and prefix-matryoshka";
  refuse_unless(has_k, a.k.has_value(), "--k", "topk, batch-topk and prefix-matryoshka");
  refuse_unless(has_levels(a), a.levels != "auto", "--levels", nested);
  refuse_unless(has_levels(a), a.weights != "auto", "--weights", nested);
  refuse_unless(matryoshka, a.batch_levels, "--batch-levels", "matryoshka");
  refuse_unless(!matryoshka, a.l1.value_or(0) > 0, "--l1", "all other models");
  refuse_unless(jump, a.l0.value_or(0) > 0, "--l0", "jump-relu");
  refuse_unless(jump, a.threshold.has_value(), "--threshold", "jump-relu");
  refuse_unless(jump, a.bandwidth.has_value(), "--bandwidth", "jump-relu");
}

std::vector<std::int64_t> levels_of(const TrainArguments& a, std::int64_t latents) {
  if (a.levels != "auto") return parse_integers(a.levels, "--levels");
  if (a.model == "prefix-matryoshka") return models::default_prefixes(latents);
  return a.preset == "reference" ? models::doubling_levels(64, latents) : models::default_levels(latents);
}

std::int64_t latents_of(const TrainArguments& a, std::int64_t dim) {
  const auto expansion = a.expansion.value_or(8);
  if (!a.latents && (expansion < 1 || expansion > 100'000)) {
    throw std::invalid_argument("--expansion: must be from 1 to 100000, not " + std::to_string(expansion));
  }
  const auto latents = a.latents.value_or(expansion * dim);
  if (latents < 1)
    throw std::invalid_argument("--latents: must be at least 1, not " + std::to_string(latents));
  return latents;
}

models::SparseAutoencoderOptions model_of(const TrainArguments& a, std::int64_t dim, std::int64_t latents) {
  auto activation = activation_of(a, latents);
  auto options =
      a.preset == "reference"
          ? train::published_model(dim, latents, std::move(activation), a.common.seed)
          : models::SparseAutoencoderOptions{
                .dim = dim, .latents = latents, .activation = std::move(activation), .seed = a.common.seed};
  options.tied = a.tied;
  options.normalise_rows = a.normalise_rows;
  options.soft_cap = a.soft_cap;
  options.ranking = models::ranking_named(a.ranking);
  return options;
}

}  // namespace msae::cli
