#include "io/folded_model.h"

#include <limits>
#include <stdexcept>

#include "io/model_folder_parts.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"

namespace msae::io {
namespace {

using models::SparseAutoencoder;
using torch::Tensor;

// factor W [rows, columns]
Tensor scaled(const Tensor& matrix, double factor, bool divide, c10::ScalarType type) {
  auto result = torch::empty(matrix.sizes(), type);
  each_block(matrix.size(0), matrix.size(1), [&](auto first, auto count) {
    const auto rows = to_float64(matrix.narrow(0, first, count));
    result.narrow(0, first, count).copy_(divide ? rows / factor : rows * factor);
  });
  return result;
}

}  // namespace

c10::ScalarType stored_type(const SparseAutoencoder& model) {
  return model.decoder.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

FoldedModel fold(const SparseAutoencoder& model, c10::ScalarType type) {
  const auto elements = saturating_product(static_cast<std::uint64_t>(model.dim()),
                                           static_cast<std::uint64_t>(model.latents()));
  require_memory(saturating_product(elements, 2 * c10::elementSize(type)), "a copy of the model");
  const auto scale = model.scale.item<double>();
  const auto mean = to_float64(model.mean);
  const auto bias = to_float64(model.pre_bias) / scale;
  return {.encoder = scaled(model.encoder, scale, /*divide=*/false, type),
          .decoder = scaled(model.decoder, scale, /*divide=*/true, type),
          .latent_bias = to_float64(model.latent_bias).to(type),
          .pre_bias = torch::where(mean == 0, bias, mean + bias).to(type)};  // -0 stays -0
}

Tensor encoded_centre(const Tensor& centre, const Tensor& encoder) {
  const auto c = to_float64(centre);
  auto sums = torch::empty({encoder.size(0)}, torch::kFloat64);
  each_block(encoder.size(0), encoder.size(1), [&](auto first, auto count) {
    sums.narrow(0, first, count).copy_(to_float64(encoder.narrow(0, first, count)).mv(c));
  });
  return sums;
}

Tensor jump_thresholds(const SparseAutoencoder& model) {
  return to_float64(model.log_threshold).exp();
}

Tensor log_thresholds(const Tensor& thresholds) {
  const double least = std::numeric_limits<float>::min();
  return to_float64(thresholds).clamp_min(least).log();
}

void require_plain(const SparseAutoencoder& model, const std::string& program) {
  const auto& o = model.options();
  const auto refuse = [&program](const std::string& what) {
    throw std::invalid_argument("model: " + program + " has no " + what +
                                ", so it would compute something else");
  };
  if (o.normalise_rows) refuse("normalised rows");
  if (o.soft_cap != 0) refuse("soft cap");
  if (o.ranking != models::Ranking::positive) refuse("ranking by " + models::ranking_name(o.ranking));
}

void warn_of_lost_parts(const SparseAutoencoder& model, const std::filesystem::path& path) {
  if (model.options().tied) log::warning(path.string() + ": holds tied weights as two matrices");
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation());
  if (!nested || nested->levels.size() < 2) return;
  log::warning(path.string() + ": holds the first level, k = " + std::to_string(nested->levels.front()) +
               ", and no other level, nor their weights");
}

}  // namespace msae::io
