#include "msae/models/sparse_autoencoder.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "msae/core/memory.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"

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

void check_norm(double norm, const char* field) {
  if (!(norm > 0) || !std::isfinite(norm)) {
    throw std::invalid_argument(std::string(field) + ": must be positive, not " + std::to_string(norm));
  }
}

}  // namespace

std::string OperatingPoint::label() const {
  switch (kind) {
    case Kind::level:
      return "level " + std::to_string(value + 1);
    case Kind::all:
      return "all";
    case Kind::top:
      return "k=" + std::to_string(value);
    default:
      return "trained";
  }
}

void SparseAutoencoderOptions::validate() const {
  if (dim < 1) throw std::invalid_argument("dim: must be at least 1, not " + std::to_string(dim));
  if (latents < 1) throw std::invalid_argument("latents: must be at least 1, not " + std::to_string(latents));
  check_norm(decoder_norm, "decoder_norm");
  check_norm(encoder_norm, "encoder_norm");
  models::validate(activation, latents);
  // Encoder and decoder; training takes four times as much.
  const auto elements =
      saturating_product(static_cast<std::uint64_t>(dim), static_cast<std::uint64_t>(latents));
  require_memory(
      saturating_product(elements, 2 * sizeof(float)),
      "a dictionary of " + std::to_string(latents) + " latents of dimension " + std::to_string(dim));
}

SparseAutoencoder::SparseAutoencoder(SparseAutoencoderOptions options)
    : torch::nn::Module("SparseAutoencoder"), options_(std::move(options)) {
  options_.validate();
  const auto directions = initial_dictionary(options_);
  encoder = register_parameter("encoder", directions * options_.encoder_norm);
  decoder = register_parameter("decoder", directions * options_.decoder_norm);
  latent_bias = register_parameter("latent_bias", torch::zeros({options_.latents}));
  pre_bias = register_parameter("pre_bias", torch::zeros({options_.dim}));
  mean = register_buffer("mean", torch::zeros({options_.dim}));
  scale = register_buffer("scale", torch::ones({}));
  threshold = register_buffer("threshold", torch::zeros({}));
}

std::int64_t SparseAutoencoder::level_count() const {
  const auto* nested = std::get_if<Matryoshka>(&options_.activation);
  return nested ? static_cast<std::int64_t>(nested->levels.size()) : 1;
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

torch::Tensor SparseAutoencoder::pre_activations(const torch::Tensor& normalised) const {
  // The bias is folded: u V^T + (b - V b_pre) spares a centred copy of u.
  return torch::addmm(latent_bias - encoder.mv(pre_bias), normalised, encoder.t());
}

torch::Tensor SparseAutoencoder::selection(const torch::Tensor& pre, OperatingPoint point) const {
  using Kind = OperatingPoint::Kind;
  const auto top = [&](std::int64_t k) {
    return k >= latents() ? pre > 0 : ops::nested_levels(pre, {k}).eq(0).logical_and_(pre > 0);
  };
  if (point.kind == Kind::all) return pre > 0;
  if (point.kind == Kind::top) {
    TORCH_CHECK(point.value >= 0 && point.value <= latents(), "k: must be from 0 to ", latents(), ", got ",
                point.value);
    return top(point.value);
  }
  if (const auto* nested = std::get_if<Matryoshka>(&options_.activation)) {
    const auto level = point.kind == Kind::level ? point.value : 0;
    TORCH_CHECK(level >= 0 && level < level_count(), "level: must be from 0 to ", level_count() - 1, ", got ",
                level);
    return top(nested->levels[static_cast<std::size_t>(level)]);
  }
  TORCH_CHECK(point.kind == Kind::trained || point.value == 0, "level: a ", kind(options_.activation),
              " model has one level, 0, got ", point.value);
  if (const auto* topk = std::get_if<TopK>(&options_.activation)) return top(topk->k);
  if (std::holds_alternative<BatchTopK>(options_.activation)) return pre > threshold.clamp_min(0);
  return pre > 0;
}

torch::Tensor SparseAutoencoder::encode(const torch::Tensor& embeddings, OperatingPoint point) {
  const auto pre = pre_activations(normalise(embeddings));
  return pre * selection(pre, point);
}

torch::Tensor SparseAutoencoder::decode(const torch::Tensor& codes) {
  TORCH_CHECK(codes.dim() == 2 && codes.size(1) == latents(), "latents: expected [rows, ", latents(),
              "], got ", codes.sizes());
  return denormalise(torch::addmm(pre_bias, codes, decoder));
}

torch::Tensor SparseAutoencoder::forward(const torch::Tensor& embeddings) {
  return decode(encode(embeddings));
}

torch::Tensor SparseAutoencoder::levels(const torch::Tensor& embeddings) {
  const auto* nested = std::get_if<Matryoshka>(&options_.activation);
  if (!nested) return forward(embeddings).unsqueeze(0);
  const auto pre = pre_activations(normalise(embeddings));
  const auto level = ops::nested_levels(pre, nested->levels);
  return denormalise(ops::nested_decode(pre.relu(), level, decoder, level_count()) + pre_bias);
}

}  // namespace msae::models
