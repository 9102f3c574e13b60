#include "msae/models/sparse_autoencoder.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "models/refined_codes.h"
#include "models/row_epsilon.h"
#include "msae/ops/selection.h"
#include "ops/sparse_levels.h"

namespace msae::models {
namespace {

// Directions as torch.nn.init.kaiming_uniform_ (relu gain, fan = dim) draws them, rows rescaled to `norm`.
torch::Tensor initial_dictionary(const SparseAutoencoderOptions& options) {
  const double bound = std::sqrt(2.0) * std::sqrt(3.0 / static_cast<double>(options.dim));
  auto generator = at::detail::createCPUGenerator(options.seed);
  auto rows =
      torch::empty({options.latents, options.dim}, torch::kFloat32).uniform_(-bound, bound, generator);
  return rows / rows.norm(2, 1, /*keepdim=*/true);
}

struct RowMoments {
  torch::Tensor mean, deviation;  // [rows, 1]
};

RowMoments row_moments(const torch::Tensor& rows) {
  return {rows.mean(1, /*keepdim=*/true), rows.std(1, /*unbiased=*/true, /*keepdim=*/true)};
}

}  // namespace

SparseAutoencoder::SparseAutoencoder(SparseAutoencoderOptions options)
    : torch::nn::Module("SparseAutoencoder"), options_(std::move(options)) {
  options_.validate();
  const auto directions = initial_dictionary(options_);
  if (!options_.tied) encoder = register_parameter("encoder", directions * options_.encoder_norm);
  decoder = register_parameter("decoder", directions * options_.decoder_norm);
  if (options_.tied) encoder = decoder;
  latent_bias = register_parameter("latent_bias", torch::zeros({options_.latents}));
  pre_bias = register_parameter("pre_bias", torch::zeros({options_.dim}));
  if (const auto* jump = std::get_if<JumpRelu>(&options_.activation)) {
    log_threshold =
        register_parameter("log_threshold", torch::full({options_.latents}, std::log(jump->threshold)));
  }
  mean = register_buffer("mean", torch::zeros({options_.dim}));
  scale = register_buffer("scale", torch::ones({}));
  const auto* nested = std::get_if<Matryoshka>(&options_.activation);
  threshold = register_buffer("threshold", torch::zeros({nested && nested->batch ? level_count() : 1}));
}

void SparseAutoencoder::set_statistics(const torch::Tensor& new_mean, double new_scale) {
  TORCH_CHECK(new_mean.sizes() == mean.sizes(), "mean: expected ", mean.sizes(), ", got ", new_mean.sizes());
  TORCH_CHECK(new_scale > 0 && std::isfinite(new_scale), "scale: must be positive and finite, got ",
              new_scale);
  const torch::NoGradGuard no_grad;
  mean.copy_(new_mean);
  scale.fill_(new_scale);
}

torch::Tensor SparseAutoencoder::normalise(const torch::Tensor& embeddings) const {
  TORCH_CHECK(embeddings.dim() == 2 && embeddings.size(1) == dim(), "embeddings: expected [rows, ", dim(),
              "], got ", embeddings.sizes());
  return (embeddings - mean) * scale;
}

torch::Tensor SparseAutoencoder::denormalise(const torch::Tensor& normalised) const {
  return normalised / scale + mean;
}

torch::Tensor SparseAutoencoder::standardise_rows(const torch::Tensor& normalised) const {
  if (!options_.normalise_rows) return normalised;
  const auto moments = row_moments(normalised);
  return (normalised - moments.mean) / (moments.deviation + row_epsilon);
}

torch::Tensor SparseAutoencoder::pre_activations(const torch::Tensor& normalised) const {
  // The bias is folded: u V^T + (b - V b_pre) spares a centred copy of u.
  return torch::addmm(latent_bias - encoder.mv(pre_bias), standardise_rows(normalised), encoder.t());
}

torch::Tensor SparseAutoencoder::restore_rows(const torch::Tensor& decoded,
                                              const torch::Tensor& normalised) const {
  if (!options_.normalise_rows) return decoded;
  const auto moments = row_moments(normalised);
  return decoded * moments.deviation + moments.mean;
}

torch::Tensor SparseAutoencoder::dense_latents(const torch::Tensor& pre) const {
  return cap(options_.ranking == Ranking::positive ? pre.relu() : pre);
}

torch::Tensor SparseAutoencoder::cap(const torch::Tensor& values) const {
  return options_.soft_cap > 0 ? (values / options_.soft_cap).tanh() * options_.soft_cap : values;
}

torch::Tensor SparseAutoencoder::scores(const torch::Tensor& pre) const {
  return options_.ranking == Ranking::magnitude ? pre.abs() : pre;
}

torch::Tensor SparseAutoencoder::passing(const torch::Tensor& pre) const {
  return options_.ranking == Ranking::positive ? pre > 0 : pre != 0;
}

std::optional<std::int64_t> SparseAutoencoder::top_k(OperatingPoint point) const {
  using Kind = OperatingPoint::Kind;
  if (point.kind == Kind::all) return latents();
  if (point.kind == Kind::top) {
    TORCH_CHECK(point.value >= 0 && point.value <= latents(), "k: must be from 0 to ", latents(), ", got ",
                point.value);
    return point.value;
  }
  const auto level = point.kind == Kind::level ? point.value : 0;
  if (level_count() == 1) {
    TORCH_CHECK(level == 0, "level: a ", models::kind(options_.activation), " model has one level, 0, got ",
                level);
  }
  TORCH_CHECK(level >= 0 && level < level_count(), "level: must be from 0 to ", level_count() - 1, ", got ",
              level);
  if (const auto* topk = std::get_if<TopK>(&options_.activation)) return topk->k;
  if (std::holds_alternative<Relu>(options_.activation)) return latents();
  const auto* nested = std::get_if<Matryoshka>(&options_.activation);
  if (nested && !nested->batch) return nested->levels[static_cast<std::size_t>(level)];
  return std::nullopt;
}

torch::Tensor SparseAutoencoder::selection(const torch::Tensor& pre, OperatingPoint point) const {
  const auto k = top_k(point);
  if (k && *k < latents() && options_.ranking == Ranking::positive) {
    return ops::positive_levels(pre, {*k}).eq(0);
  }
  const auto passed = passing(pre);
  if (k) return *k >= latents() ? passed : ops::nested_levels(scores(pre), {*k}).eq(0).logical_and_(passed);
  const auto level = point.kind == OperatingPoint::Kind::level ? point.value : 0;
  if (log_threshold.defined()) return pre > log_threshold.exp();
  if (const auto* nested = std::get_if<PrefixMatryoshka>(&options_.activation)) {
    auto kept = (scores(pre) > threshold[0]).logical_and_(passed);
    if (point.kind == OperatingPoint::Kind::level) {
      kept.slice(1, nested->sizes[static_cast<std::size_t>(level)]).fill_(false);
    }
    return kept;
  }
  return (scores(pre) > threshold[level]).logical_and_(passed);
}

torch::Tensor SparseAutoencoder::encode(const torch::Tensor& embeddings, OperatingPoint point,
                                        Coding coding) {
  coding.validate();
  const auto normalised = normalise(embeddings);
  const auto pre = pre_activations(normalised);
  if (coding.kind == Coding::Kind::encoder) return dense_latents(pre) * selection(pre, point);
  const RefinedCodes codes(*this, coding, {point}, embeddings.size(0), "embeddings");
  return dense_codes(codes.encode_at(0, normalised, pre), latents()).to(pre.device(), pre.scalar_type());
}

torch::Tensor SparseAutoencoder::decoded(const torch::Tensor& codes) const {
  TORCH_CHECK(codes.dim() == 2 && codes.size(1) == latents(), "latents: expected [rows, ", latents(),
              "], got ", codes.sizes());
  return torch::addmm(pre_bias, codes, decoder);
}

torch::Tensor SparseAutoencoder::decode(const torch::Tensor& codes) {
  return denormalise(decoded(codes));
}

torch::Tensor SparseAutoencoder::decode(const torch::Tensor& codes, const torch::Tensor& embeddings) {
  return denormalise(restore_rows(decoded(codes), normalise(embeddings)));
}

torch::Tensor SparseAutoencoder::forward(const torch::Tensor& embeddings) {
  return decode(encode(embeddings), embeddings);
}

torch::Tensor SparseAutoencoder::levels(const torch::Tensor& embeddings) {
  const auto normalised = normalise(embeddings);
  const auto pre = pre_activations(normalised);
  const auto dense = dense_latents(pre);
  std::vector<torch::Tensor> all;
  for (std::int64_t level = 0; level < level_count(); ++level) {
    const auto kept = dense * selection(pre, OperatingPoint::level(level));
    all.push_back(denormalise(restore_rows(decoded(kept), normalised)));
  }
  return torch::stack(all);
}

}  // namespace msae::models
