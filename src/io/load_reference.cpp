#include "io/model_folder_parts.h"
#include "io/reference_checkpoint.h"
#include "io/reference_model.h"
#include "io/torch_tensors.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;

void warn_of_thresholds(const SparseAutoencoder& model, const fs::path& file) {
  if (!models::chooses_over_batch(model.activation())) return;
  log::warning(file.string() +
               ": holds no threshold of a model over batches, as none of the published checkpoints do: as "
               "trained, this "
               "model keeps every positive latent; ask for a k");
}

}  // namespace

std::shared_ptr<SparseAutoencoder> load_reference(const fs::path& path, const std::string& as,
                                                  c10::Device device) {
  const torch::NoGradGuard no_grad;
  const TorchFile file(path);
  const auto found = parse_reference(file.root(), path, as);
  const auto type = found.encoder.storage.dtype == "F64" ? torch::kFloat64 : torch::kFloat32;
  auto model = empty_model(options_of(found.model, path.string()), type, path.string());
  copy_stored(file, found.encoder, "encoder", model->encoder.t());
  if (found.decoder) copy_stored(file, *found.decoder, "decoder", model->decoder);
  copy_stored(file, found.latent_bias, "latent_bias", model->latent_bias);
  copy_stored(file, found.pre_bias, "pre_bias", model->pre_bias);
  const auto mean = torch::empty_like(model->mean);
  copy_stored(file, found.mean, "mean_center", mean);
  set_statistics(*model, mean, found.scale, path.string() + ": mean_center",
                 path.string() + ": scaling_factor");
  warn_of_thresholds(*model, path);
  model->to(device);
  return model;
}

}  // namespace msae::io
