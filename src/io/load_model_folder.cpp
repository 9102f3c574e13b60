#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

// A tensor of the weights file whose shape and dtype are as expected. Rows come as float64.
class StoredTensor {
 public:
  StoredTensor(const SafetensorsFile& file, const std::string& name, const Shape& shape)
      : file_(file),
        entry_(file.entry(name, shape)),
        where_(file.path().string() + ": tensor " + name),
        type_(float_type(entry_.dtype, where_)) {}

  c10::ScalarType type() const { return type_; }
  std::int64_t size(std::size_t dimension) const { return entry_.shape[dimension]; }

  Tensor rows(std::int64_t first, std::int64_t count) const {
    auto shape = entry_.shape;
    shape[0] = count;
    const auto raw = torch::empty(shape, type_);
    const auto row_bytes = entry_.bytes / static_cast<std::uint64_t>(entry_.shape[0]);
    file_.read(entry_, row_bytes * static_cast<std::uint64_t>(first), bytes_of(raw));
    return raw.to(torch::kFloat64);
  }
  Tensor all() const { return rows(0, entry_.shape[0]); }

  /// Stores what was made of this tensor. Checked after rounding, as a large double may not fit a float.
  void assign(const Tensor& target, const Tensor& values) const {
    target.copy_(values);
    if (!all_finite(target)) refuse("holds NaN, infinite or too large values");
  }
  [[noreturn]] void refuse(const std::string& what) const { throw IoError(where_ + " " + what); }

 private:
  const SafetensorsFile& file_;
  const TensorEntry& entry_;
  std::string where_;
  c10::ScalarType type_;
};

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

void read_threshold(SparseAutoencoder& model, const ModelConfig& config, const StoredTensor& stored) {
  const auto values = stored.all();
  if (model.log_threshold.defined()) {
    // A threshold of SAELens may be 0 or less: every positive latent is above it.
    const double least = std::numeric_limits<float>::min();
    return stored.assign(model.log_threshold, values.clamp_min(least).log());
  }
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
  const auto type = decoder.type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto json = (folder / config_name).string();
  auto model = empty_model(options_of(config, json), type, folder.string());
  set_statistics(*model, mean_of(config), config.scale, json + ": msae.mean", json + ": msae.scale");

  read_decoder(*model, decoder, config.scale);
  if (!config.tied) read_encoder(*model, encoder, config.scale);
  const auto centre = input_bias.all();
  input_bias.assign(model->pre_bias, (centre - model->mean.to(torch::kFloat64)) * config.scale);
  auto bias = latent_bias.all();
  if (!config.centred_input) bias += encoded(centre, encoder);
  latent_bias.assign(model->latent_bias, bias);
  if (has_threshold(config)) {
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

std::shared_ptr<SparseAutoencoder> load(const fs::path& folder, c10::Device device) {
  if (is_reference(folder)) return load_reference(folder, "", device);
  const torch::NoGradGuard no_grad;
  const auto config = read_config(folder);
  const SafetensorsFile file(folder / weights_name);
  auto model = build(config, file, folder);
  model->to(device);
  return model;
}

}  // namespace msae::io
