#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "io/tensor_file.h"
#include "msae/core/version.h"
#include "msae/io/exchange.h"

namespace msae::io {

void save_safetensors(const models::SparseAutoencoder& model, const std::filesystem::path& path) {
  const torch::NoGradGuard no_grad;
  TensorFile file{{{"encoder", model.encoder},
                   {"decoder", model.decoder},
                   {"latent_bias", model.latent_bias},
                   {"pre_bias", model.pre_bias},
                   {"mean", model.mean},
                   {"scale", model.scale}},
                  {{"format", "msae"},
                   {"msae_version", version()},
                   {"model", model_text(config_of(model))},
                   {"formula",
                    "u = (x - mean) scale; z = select(cap(relu((u - pre_bias) encoder^T + latent_bias))); "
                    "x^ = (z decoder + pre_bias) / scale + mean"}}};
  if (models::chooses_over_batch(model.activation())) file.tensors["threshold"] = model.threshold;
  if (model.log_threshold.defined()) {
    file.tensors["threshold"] = model.log_threshold.exp();
    file.tensors["log_threshold"] = model.log_threshold;  // from which the model comes back bit for bit
  }
  for (const auto& [name, tensor] : file.tensors) require_finite(tensor, name, path);
  save_tensors(path, file);
}

}  // namespace msae::io
