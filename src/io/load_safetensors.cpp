#include "io/folded_model.h"
#include "io/model_folder_parts.h"
#include "io/safetensors.h"
#include "io/stored_tensor.h"
#include "msae/core/error.h"

namespace msae::io {
namespace {

using models::SparseAutoencoder;

ModelConfig config_in(const SafetensorsFile& file, const std::string& name) {
  const auto model = file.metadata().find("model");
  if (model == file.metadata().end()) throw IoError(name + ": its metadata lack the key model");
  const auto& shape = file.entry("decoder").shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) {
    throw IoError(name + ": tensor decoder has the shape " + to_string(shape) + ", expected [latents, dim]");
  }
  ModelConfig config;
  config.latents = shape[0];
  config.dim = shape[1];
  parse_model_text(model->second, name + ": model", config);
  return config;
}

void read_thresholds(SparseAutoencoder& model, const SafetensorsFile& file) {
  if (models::chooses_over_batch(model.activation())) {
    StoredTensor(file, "threshold", model.threshold.sizes().vec()).copy_to(model.threshold);
  }
  if (!model.log_threshold.defined()) return;
  if (file.tensors().count("log_threshold") > 0) {
    return StoredTensor(file, "log_threshold", {model.latents()}).copy_to(model.log_threshold);
  }
  const StoredTensor thresholds(file, "threshold", {model.latents()});  // all that version 0.1 wrote
  thresholds.assign(model.log_threshold, log_thresholds(thresholds.all()));
}

void read_statistics(SparseAutoencoder& model, const SafetensorsFile& file, const std::string& name) {
  const StoredTensor mean(file, "mean", {model.dim()});
  const StoredTensor scale(file, "scale", {});
  const auto value = scale.all().item<double>();
  if (!(value > 0) || !std::isfinite(value)) scale.refuse("must be positive");
  set_statistics(model, mean.all(), value, name + ": tensor mean", name + ": tensor scale");
}

}  // namespace

std::shared_ptr<SparseAutoencoder> load_safetensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const auto name = path.string();
  const auto config = config_in(file, name);
  const Shape matrix{config.latents, config.dim};
  const StoredTensor encoder(file, "encoder", matrix);
  const StoredTensor decoder(file, "decoder", matrix);
  const auto type = decoder.model_type();
  auto model = empty_model(options_of(config, name + ": model."), type, name);
  decoder.copy_to(model->decoder);
  if (!config.tied) encoder.copy_to(model->encoder);
  StoredTensor(file, "latent_bias", {config.latents}).copy_to(model->latent_bias);
  StoredTensor(file, "pre_bias", {config.dim}).copy_to(model->pre_bias);
  read_statistics(*model, file, name);
  read_thresholds(*model, file);
  return model;
}

}  // namespace msae::io
