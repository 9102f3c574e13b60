#include <array>
#include <stdexcept>
#include <system_error>

#include "core/atomic_file.h"
#include "core/file.h"
#include "io/folded_model.h"
#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "io/safetensors.h"
#include "io/sparsify_config.h"
#include "io/stored_tensor.h"
#include "io/tensor_file.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

std::int64_t k_of(const SparseAutoencoder& model) {
  require_plain(model, "sparsify");
  if (const auto* topk = std::get_if<models::TopK>(&model.activation())) return topk->k;
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation());
  if (nested && !nested->batch) return nested->levels.front();
  throw std::invalid_argument(
      "model: sparsify keeps the k largest latents of a row, as topk and matryoshka do; a " +
      std::string(nested ? "matryoshka over batches" : models::kind(model.activation())) + " model does not");
}

void write_sparsify_weights(const FoldedModel& folded, files::AtomicFile& file) {
  const std::array<std::pair<const char*, const Tensor*>, 4> tensors{{{"W_dec", &folded.decoder},
                                                                      {"b_dec", &folded.pre_bias},
                                                                      {"encoder.bias", &folded.latent_bias},
                                                                      {"encoder.weight", &folded.encoder}}};
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const auto& [name, tensor] : tensors) {
    require_finite(*tensor, name, file.target());
    declarations.push_back({name, dtype_name(tensor->scalar_type()), tensor->sizes().vec()});
  }
  SafetensorsWriter writer(file, declarations, {{"format", "pt"}});
  for (const auto& [name, tensor] : tensors) writer.write(bytes_of(*tensor));
  writer.finish();
}

}  // namespace

void save_sparsify(const SparseAutoencoder& model, const fs::path& folder) {
  const torch::NoGradGuard no_grad;
  const SparsifyConfig config{.dim = model.dim(), .latents = model.latents(), .k = k_of(model)};
  refuse_folder_of_another(folder, weights_name);
  make_folder(folder);
  std::array<files::AtomicFile, 2> pair{files::AtomicFile(folder / sparsify_weights_name),
                                        files::AtomicFile(folder / config_name)};
  write_sparsify_weights(fold(model, stored_type(model)), pair[0]);
  pair[1].write(sparsify_text(config));
  files::commit_together(pair);
  warn_of_lost_parts(model, folder);
}

std::shared_ptr<SparseAutoencoder> load_sparsify(const fs::path& folder) {
  const auto json = folder / config_name;
  const auto config = parse_sparsify(files::read_text(json, max_config_bytes), json.string());
  const SafetensorsFile file(folder / sparsify_weights_name);
  const StoredTensor encoder(file, "encoder.weight", {config.latents, config.dim});
  const StoredTensor decoder(file, "W_dec", {config.latents, config.dim});
  const StoredTensor latent_bias(file, "encoder.bias", {config.latents});
  const StoredTensor pre_bias(file, "b_dec", {config.dim});
  const auto type = decoder.model_type();
  auto model =
      empty_model({.dim = config.dim, .latents = config.latents, .activation = models::TopK{.k = config.k}},
                  type, folder.string());
  encoder.copy_to(model->encoder);
  decoder.copy_to(model->decoder);
  latent_bias.copy_to(model->latent_bias);
  pre_bias.copy_to(model->pre_bias);
  return model;
}

}  // namespace msae::io
