#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "concepts/groups.h"
#include "concepts/unsign.h"
#include "msae/concepts/bias.h"
#include "msae/eval/probe.h"
#include "ops/torch_executor.h"

namespace msae::concepts {
namespace {

// [rows], the fold of each: both groups are dealt out by turns, in an order of chance.
torch::Tensor deal(std::span<const std::uint8_t> attribute, const DependenceOptions& options) {
  const auto rows = static_cast<std::int64_t>(attribute.size());
  auto generator = at::detail::createCPUGenerator(options.seed);
  const auto order = torch::randperm(rows, generator);
  const auto* row = order.const_data_ptr<std::int64_t>();
  auto folds = torch::empty({rows}, torch::kInt64);
  auto* fold = folds.mutable_data_ptr<std::int64_t>();
  std::int64_t next[2] = {};
  for (std::int64_t i = 0; i < rows; ++i) fold[row[i]] = next[attribute[unsign(row[i])]]++ % options.folds;
  return folds;
}

// x without what some latents add to it.
torch::Tensor without(const torch::Tensor& embeddings, const Codes& codes, const torch::Tensor& dictionary,
                      const std::vector<std::int64_t>& removed) {
  std::vector<bool> goes(unsign(codes.latents));
  for (const auto latent : removed) goes[unsign(latent)] = true;
  auto rows = embeddings.clone();
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto latents = codes.latents_of(row);
    const auto values = codes.values_of(row);
    for (std::size_t i = 0; i < latents.size(); ++i) {
      if (goes[unsign(latents[i])]) rows[row].sub_(dictionary[latents[i]], values[i]);
    }
  }
  return rows;
}

std::vector<double> to_vector(const torch::Tensor& values) {
  const auto flat = values.to(torch::kFloat64).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Scores of each row by the classifier that has not seen it.
struct Scores {
  torch::Tensor logit;      // [rows], of rows as they are
  torch::Tensor steered;    // [rows], of rows without the concepts
  torch::Tensor direction;  // [rows, dim], the classifier's weight
  torch::Tensor bias;       // [rows]
};

torch::Tensor logits(const eval::LinearProbe& probe, const torch::Tensor& rows) {
  const auto log_probability = probe.log_probabilities(rows);
  return log_probability.select(1, 1) - log_probability.select(1, 0);
}

// Whether the logit of a unit row rises or falls is the same as that of w.x / |x| + b.
std::vector<double> aucs_without_each(const torch::Tensor& embeddings, const Codes& codes,
                                      const torch::Tensor& dictionary, const Scores& scores,
                                      std::span<const std::uint8_t> attribute, double auc) {
  const auto lengths = embeddings.square().sum(1);            // [rows]
  const auto dots = embeddings.mul(scores.direction).sum(1);  // [rows]
  const auto columns = columns_of(codes);
  const auto own_lengths = dictionary.square().sum(1);  // [latents]
  const auto* length = lengths.const_data_ptr<double>();
  const auto* dot = dots.const_data_ptr<double>();
  const auto* own_length = own_lengths.const_data_ptr<double>();
  const auto bias = scores.bias.accessor<double, 1>();
  const auto logit = to_vector(scores.logit);
  const auto dim = embeddings.size(1);
  const auto* x = embeddings.const_data_ptr<double>();
  const auto* w = scores.direction.const_data_ptr<double>();
  const auto* d = dictionary.const_data_ptr<double>();
  std::vector<double> result(unsign(codes.latents), auc);
  ops::torch_executor().run(codes.latents, [&](std::int64_t latent, int) {
    const auto rows = columns.rows_of(latent);
    const auto values = columns.values_of(latent);
    if (rows.empty()) return;
    auto changed = logit;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = rows[i];
      double along_x = 0, along_w = 0;
      for (std::int64_t k = 0; k < dim; ++k) {
        along_x += x[row * dim + k] * d[latent * dim + k];
        along_w += w[row * dim + k] * d[latent * dim + k];
      }
      const double z = values[i];
      const auto square = length[row] - 2 * z * along_x + z * z * own_length[latent];
      const auto norm = square > 0 ? std::sqrt(square) : 1;
      changed[unsign(row)] = (dot[row] - z * along_w) / norm + bias[row];
    }
    result[unsign(latent)] = area_under_roc(changed, attribute);
  });
  return result;
}

void check(const torch::Tensor& embeddings, const Codes& codes, const torch::Tensor& dictionary,
           const std::vector<std::int64_t>& removed, const Groups& groups, const DependenceOptions& options) {
  TORCH_CHECK(embeddings.dim() == 2 && embeddings.size(0) == codes.rows && dictionary.dim() == 2 &&
                  dictionary.size(0) == codes.latents && dictionary.size(1) == embeddings.size(1),
              "attribute_dependence: expected embeddings [", codes.rows, ", dim] and a dictionary [",
              codes.latents, ", dim], got ", embeddings.sizes(), " and ", dictionary.sizes());
  for (const auto latent : removed) {
    if (latent >= 0 && latent < codes.latents) continue;
    throw std::invalid_argument("removed: there is no latent " + std::to_string(latent));
  }
  if (groups.with < options.folds || groups.without < options.folds) {
    throw std::invalid_argument("folds: a group has fewer rows than there are folds, " +
                                std::to_string(options.folds));
  }
}

}  // namespace

void DependenceOptions::validate() const {
  if (folds < 2) throw std::invalid_argument("folds: must be at least 2, not " + std::to_string(folds));
  if (!(l2 > 0 && std::isfinite(l2))) {
    throw std::invalid_argument("l2: must be positive, not " + std::to_string(l2));
  }
}

Dependence attribute_dependence(const torch::Tensor& embeddings, const Codes& codes,
                                const torch::Tensor& dictionary, std::span<const std::uint8_t> attribute,
                                const std::vector<std::int64_t>& removed, const DependenceOptions& options,
                                const std::function<void(double)>& progress) {
  options.validate();
  const auto groups = groups_of(attribute, codes.rows);
  check(embeddings, codes, dictionary, removed, groups, options);
  const torch::NoGradGuard no_grad;
  const auto rows = embeddings.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const auto atoms = dictionary.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  const auto poorer = without(rows, codes, atoms, removed);
  const auto labels =
      torch::tensor(std::vector<std::int64_t>(attribute.begin(), attribute.end()), torch::kInt64);
  const auto folds = deal(attribute, options);
  const eval::ProbeOptions probe_options{.l2 = options.l2, .classes = 2};

  Scores scores{.logit = torch::empty({codes.rows}, torch::kFloat64),
                .steered = torch::empty({codes.rows}, torch::kFloat64),
                .direction = torch::empty_like(rows),
                .bias = torch::empty({codes.rows}, torch::kFloat64)};
  auto retrained = torch::empty({codes.rows}, torch::kFloat64);
  for (std::int64_t fold = 0; fold < options.folds; ++fold) {
    const auto here = (folds == fold).nonzero().flatten(), others = (folds != fold).nonzero().flatten();
    const auto fit = [&](const torch::Tensor& from) {
      return eval::fit_probe(from.index_select(0, others), labels.index_select(0, others), probe_options);
    };
    const auto probe = fit(rows);
    scores.logit.index_copy_(0, here, logits(probe, rows.index_select(0, here)));
    scores.steered.index_copy_(0, here, logits(probe, poorer.index_select(0, here)));
    scores.direction.index_copy_(
        0, here, (probe.weight[1] - probe.weight[0]).expand({here.size(0), rows.size(1)}).contiguous());
    scores.bias.index_fill_(0, here, (probe.bias[1] - probe.bias[0]).item<double>());
    retrained.index_copy_(0, here, logits(fit(poorer), poorer.index_select(0, here)));
    if (progress) progress(static_cast<double>(fold + 1) / static_cast<double>(options.folds));
  }
  Dependence result{.auc = area_under_roc(to_vector(scores.logit), attribute),
                    .steered = area_under_roc(to_vector(scores.steered), attribute),
                    .retrained = area_under_roc(to_vector(retrained), attribute)};
  result.without = aucs_without_each(rows, codes, atoms, scores, attribute, result.auc);
  return result;
}

}  // namespace msae::concepts
