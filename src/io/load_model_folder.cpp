#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include "io/folded_model.h"
#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "io/safetensors.h"
#include "io/stored_tensor.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

Tensor mean_of(const ModelConfig& config) {
  auto mean = torch::zeros({config.dim}, torch::kFloat64);
  std::copy(config.mean.begin(), config.mean.end(), mean.data_ptr<double>());
  return mean;
}

void read_decoder(SparseAutoencoder& model, const StoredTensor& stored, double scale) {
  each_block(stored.size(0), stored.size(1), [&](auto first, auto count) {
    stored.assign(model.decoder.narrow(0, first, count), stored.rows(first, count) * scale);
  });
}

void read_encoder(SparseAutoencoder& model, const StoredTensor& stored, double scale) {
  each_block(stored.size(0), stored.size(1), [&](auto first, auto count) {
    stored.assign(model.encoder.narrow(1, first, count), (stored.rows(first, count) / scale).t());
  });
}

// c W_enc [latents]: what a model that does not subtract c from its input lacks in its latent bias, as
// x W + b = (x - c) W + (b + c W).
Tensor encoded(const Tensor& c, const StoredTensor& encoder) {
  auto sum = torch::zeros({encoder.size(1)}, torch::kFloat64);
  each_block(encoder.size(0), encoder.size(1), [&](auto first, auto count) {
    sum += c.narrow(0, first, count).matmul(encoder.rows(first, count));
  });
  return sum;
}

// What SAELens' rescale_acts_by_decoder_norm does at every call, done once.
void fold_decoder_norms(SparseAutoencoder& model) {
  const auto norms = to_float64(model.decoder).norm(2, 1);
  model.encoder.mul_(norms.unsqueeze(1));
  model.latent_bias.mul_(norms);
  model.decoder.div_(torch::where(norms == 0, 1, norms).unsqueeze(1));
}

void read_threshold(SparseAutoencoder& model, const ModelConfig& config, const StoredTensor& stored) {
  const auto values = stored.all();
  if (model.log_threshold.defined()) return stored.assign(model.log_threshold, log_thresholds(values));
  if (!values.eq(values[0]).all().item<bool>()) {
    stored.refuse("is not the same for all latents, as that of a " + models::kind(config.activation) +
                  " model is");
  }
  stored.assign(model.threshold, values[0]);
}

// A matryoshka over batches has one for each level, for which the weights have no place.
void set_thresholds(SparseAutoencoder& model, const ModelConfig& config, const std::string& file) {
  if (config.thresholds.empty()) return;
  model.threshold.copy_(torch::tensor(config.thresholds, torch::kFloat64));
  if (!all_finite(model.threshold)) {
    throw IoError(file + ": msae.activation.thresholds do not fit the weights' precision");
  }
}

// Undoes what save() folded in.
std::shared_ptr<SparseAutoencoder> build(const ModelConfig& config, const SafetensorsFile& file,
                                         const fs::path& folder) {
  const StoredTensor encoder(file, "W_enc", {config.dim, config.latents});
  const StoredTensor decoder(file, "W_dec", {config.latents, config.dim});
  const StoredTensor input_bias(file, "b_dec", {config.dim});
  const StoredTensor latent_bias(file, "b_enc", {config.latents});
  const auto type = decoder.model_type();
  const auto json = (folder / config_name).string();
  auto model = empty_model(options_of(config, json + ": msae."), type, folder.string());
  set_statistics(*model, mean_of(config), config.scale, json + ": msae.mean", json + ": msae.scale");

  read_decoder(*model, decoder, config.scale);
  if (!config.tied) read_encoder(*model, encoder, config.scale);
  const auto centre = input_bias.all();
  input_bias.assign(model->pre_bias, (centre - model->mean.to(torch::kFloat64)) * config.scale);
  auto bias = latent_bias.all();
  if (!config.centred_input) bias += encoded(centre, encoder);
  latent_bias.assign(model->latent_bias, bias);
  if (config.decoder_norms) fold_decoder_norms(*model);
  if (config.scalar_threshold) {
    const StoredTensor threshold(file, "topk_threshold", {});
    threshold.assign(model->threshold, threshold.all());
  } else if (has_threshold(config)) {
    read_threshold(*model, config, StoredTensor(file, "threshold", {config.latents}));
    set_thresholds(*model, config, (folder / config_name).string());
  }
  return model;
}

}  // namespace

std::shared_ptr<SparseAutoencoder> empty_model(models::SparseAutoencoderOptions options, c10::ScalarType type,
                                               const std::string& name) {
  const auto elements = saturating_product(static_cast<std::uint64_t>(options.dim),
                                           static_cast<std::uint64_t>(options.latents));
  require_memory(saturating_product(elements, 3 * c10::elementSize(type)), "the model " + name);
  auto model = std::make_shared<SparseAutoencoder>(std::move(options));
  model->to(type);
  return model;
}

void set_statistics(SparseAutoencoder& model, const Tensor& mean, double scale, const std::string& mean_name,
                    const std::string& scale_name) {
  const std::string misfit = " does not fit the weights' precision";
  const bool is_double = model.scale.scalar_type() == torch::kFloat64;
  if (!is_double && scale > std::numeric_limits<float>::max()) throw IoError(scale_name + misfit);
  model.set_statistics(mean, scale);
  if (!(model.scale.item<double>() > 0)) throw IoError(scale_name + misfit);  // it was rounded to 0
  if (!all_finite(model.mean)) throw IoError(mean_name + misfit);
}

std::shared_ptr<SparseAutoencoder> load_folder(const fs::path& folder) {
  const auto config = read_config(folder);
  return build(config, SafetensorsFile(folder / weights_name), folder);
}

}  // namespace msae::io
