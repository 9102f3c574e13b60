#include <system_error>

#include "io/model_folder_parts.h"
#include "io/reference_checkpoint.h"
#include "io/reference_model.h"
#include "io/tensor_file.h"
#include "io/torch_file.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

// Hands over a tensor as it lies in the file; it is good until `use` returns.
template <class Use>
void with_stored(const TorchFile& file, const pickle::TensorView& stored, const std::string& name,
                 const Use& use) {
  const auto type = float_type(stored.storage.dtype, file.path().string() + ": tensor " + name);
  auto bytes = file.read_all(stored.storage);
  const auto elements = torch::from_blob(bytes.data(), {stored.storage.elements}, type);
  use(elements.as_strided(stored.shape, stored.strides, stored.offset));
}

void copy(const TorchFile& file, const pickle::TensorView& stored, const std::string& name,
          const Tensor& target) {
  with_stored(file, stored, name, [&](const Tensor& values) { target.copy_(values); });
  if (all_finite(target)) return;
  throw IoError(file.path().string() + ": tensor " + name + " holds NaN, infinite or too large values");
}

void warn_of_thresholds(const SparseAutoencoder& model, const fs::path& file) {
  if (!models::chooses_over_batch(model.activation())) return;
  log::warning(file.string() +
               ": holds no threshold of a model over batches, as none of the published checkpoints do: as "
               "trained, this "
               "model keeps every positive latent; ask for a k");
}

}  // namespace

bool is_reference(const fs::path& path) {
  std::error_code ignored;
  const auto extension = path.extension();
  return (extension == ".pth" || extension == ".pt") && !fs::is_directory(path, ignored);
}

std::shared_ptr<SparseAutoencoder> load_reference(const fs::path& path, const std::string& as,
                                                  c10::Device device) {
  const torch::NoGradGuard no_grad;
  const TorchFile file(path);
  const auto found = parse_reference(file.root(), path, as);
  const auto type = found.encoder.storage.dtype == "F64" ? torch::kFloat64 : torch::kFloat32;
  auto model = empty_model(options_of(found.model, path.string()), type, path.string());
  copy(file, found.encoder, "encoder", model->encoder.t());
  if (found.decoder) copy(file, *found.decoder, "decoder", model->decoder);
  copy(file, found.latent_bias, "latent_bias", model->latent_bias);
  copy(file, found.pre_bias, "pre_bias", model->pre_bias);
  const auto mean = torch::empty_like(model->mean);
  copy(file, found.mean, "mean_center", mean);
  set_statistics(*model, mean, found.scale, path.string() + ": mean_center",
                 path.string() + ": scaling_factor");
  warn_of_thresholds(*model, path);
  model->to(device);
  return model;
}

}  // namespace msae::io
