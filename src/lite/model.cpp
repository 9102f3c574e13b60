#include "lite/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "io/model_files.h"
#include "lite/coder.h"
#include "lite/eigen.h"
#include "lite/read_floats.h"
#include "msae/core/error.h"

namespace msae::lite {
namespace {

namespace fs = std::filesystem;

void refuse_files(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) {
    throw IoError(path.string() + ": is not a model folder (msae convert makes one of a .pth file)");
  }
}

float as_float(double value, const std::string& name) {
  const auto rounded = static_cast<float>(value);
  if (!std::isfinite(rounded)) throw IoError(name + " does not fit float32");
  return rounded;
}

std::vector<float> as_floats(const std::vector<double>& values, const std::string& name) {
  std::vector<float> rounded;
  rounded.reserve(values.size());
  for (const auto value : values) rounded.push_back(as_float(value, name));
  return rounded;
}

// [dim, latents] of the file to [latents, dim], some megabytes at a time.
std::vector<float> read_transposed(const StoredFloats& stored, std::int64_t dim, std::int64_t latents) {
  std::vector<float> all(static_cast<std::size_t>(dim * latents));
  const auto step = std::clamp<std::int64_t>((1 << 20) / latents, 1, dim);
  std::vector<float> block(static_cast<std::size_t>(step * latents));
  for (std::int64_t first = 0; first < dim; first += step) {
    const auto count = std::min(step, dim - first);
    const auto part = std::span(block).first(static_cast<std::size_t>(count * latents));
    stored.read(static_cast<std::uint64_t>(first * latents), part);
    matrix_of(all, dim).middleCols(first, count) = matrix_of(part, latents).transpose();
  }
  return all;
}

std::vector<float> read_thresholds(const io::ModelConfig& config, const StoredFloats& stored,
                                   const std::string& json) {
  auto values = stored.all();
  if (std::holds_alternative<models::JumpRelu>(config.activation)) {
    // A threshold of SAELens may be 0 or less: every positive latent is above it.
    for (auto& value : values) value = std::max(value, std::numeric_limits<float>::min());
    return values;
  }
  if (std::any_of(values.begin(), values.end(), [&](float value) { return value != values[0]; })) {
    stored.refuse("is not the same for all latents, as that of a " + models::kind(config.activation) +
                  " model is");
  }
  if (config.thresholds.empty()) return {values[0]};
  return as_floats(config.thresholds, json + ": msae.activation.thresholds");
}

void set_statistics(Model& model, const io::ModelConfig& config, const std::string& json) {
  model.mean = as_floats(config.mean, json + ": msae.mean");
  model.mean.resize(model.decoder_bias.size());
  model.scale = as_float(config.scale, json + ": msae.scale");
  if (config.tied) model.gain = as_float(config.scale * config.scale, json + ": msae.scale");
  if (!(model.scale > 0 && model.gain > 0)) throw IoError(json + ": msae.scale does not fit float32");
  for (std::size_t i = 0; i < model.mean.size(); ++i) {
    const double centre = config.centred_input ? model.decoder_bias[i] : 0;
    model.shift.push_back(static_cast<float>(centre - model.mean[i]));
  }
}

}  // namespace

std::shared_ptr<const Model> read_model(const fs::path& folder) {
  refuse_files(folder);
  const auto config = io::read_config(folder);
  const auto json = (folder / io::config_name).string();
  if (config.decoder_norms || config.scalar_threshold) {
    throw IoError(json +
                  ": tells of a model that SAELens keeps as it trains it; convert it first: msae convert " +
                  folder.string() + " OUT --to sae-lens");
  }
  const io::SafetensorsFile file(folder / io::weights_name);
  const StoredFloats encoder(file, "W_enc", {config.dim, config.latents});
  const StoredFloats decoder(file, "W_dec", {config.latents, config.dim});
  const StoredFloats decoder_bias(file, "b_dec", {config.dim});
  const StoredFloats latent_bias(file, "b_enc", {config.latents});
  if (config.latents > std::numeric_limits<std::int32_t>::max()) {
    throw IoError(json + ": d_sae is more than " + std::to_string(std::numeric_limits<std::int32_t>::max()));
  }
  Model model;
  model.options = io::options_of(config, json + ": msae.");
  model.decoder = decoder.all();
  if (!config.tied) model.encoder = read_transposed(encoder, config.dim, config.latents);
  model.decoder_bias = decoder_bias.all();
  model.latent_bias = latent_bias.all();
  if (io::has_threshold(config)) {
    model.thresholds = read_thresholds(config, StoredFloats(file, "threshold", {config.latents}), json);
  }
  set_statistics(model, config, json);
  model.pursuit.emplace(pursuit_of(model, config.latents));
  return std::make_shared<const Model>(std::move(model));
}

}  // namespace msae::lite
