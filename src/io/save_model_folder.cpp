#include <array>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "core/atomic_file.h"
#include "io/folded_model.h"
#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

// [latents]; of a matryoshka over batches that of its first level.
Tensor thresholds_of(const SparseAutoencoder& model) {
  if (model.log_threshold.defined()) return jump_thresholds(model);
  return to_float64(model.threshold[0]).expand({model.latents()});
}

std::vector<SafetensorsWriter::Declaration> declarations(const ModelConfig& config) {
  const auto* dtype = config.float64 ? "F64" : "F32";
  std::vector<SafetensorsWriter::Declaration> tensors{{"W_dec", dtype, {config.latents, config.dim}},
                                                      {"W_enc", dtype, {config.dim, config.latents}},
                                                      {"b_dec", dtype, {config.dim}},
                                                      {"b_enc", dtype, {config.latents}}};
  if (has_threshold(config)) tensors.push_back({"threshold", dtype, {config.latents}});
  return tensors;
}

// The tensors in the order of declarations(), mean and scale folded in, in float64 until they are stored.
void write_weights(const SparseAutoencoder& model, const ModelConfig& config, files::AtomicFile& file) {
  SafetensorsWriter writer(file, declarations(config));
  const auto write = [&](const char* name, const Tensor& values) {
    const auto stored = values.to(config.float64 ? torch::kFloat64 : torch::kFloat32).contiguous();
    require_finite(stored, name, file.target());
    writer.write(bytes_of(stored));
  };
  each_block(config.latents, config.dim, [&](auto first, auto count) {
    write("W_dec", to_float64(model.decoder.narrow(0, first, count)) / config.scale);
  });
  each_block(config.dim, config.latents, [&](auto first, auto count) {
    write("W_enc", to_float64(model.encoder.narrow(1, first, count)).t() * config.scale);
  });
  write("b_dec", to_float64(model.mean) + to_float64(model.pre_bias) / config.scale);
  write("b_enc", to_float64(model.latent_bias));
  if (has_threshold(config)) write("threshold", thresholds_of(model));
  writer.finish();
}

}  // namespace

void make_folder(const fs::path& folder) {
  std::error_code error;
  std::error_code ignored;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder, ignored)) return;
  const auto reason = fs::exists(folder, ignored) ? "a file of that name is there" : error.message();
  throw IoError(folder.string() + ": the folder cannot be made: " + reason);
}

void refuse_folder_of_another(const fs::path& folder, const char* name) {
  std::error_code ignored;
  if (!fs::exists(folder / name, ignored)) return;
  throw IoError(folder.string() + ": holds another model, " + name + "; name another folder");
}

ModelConfig config_of(const SparseAutoencoder& model) {
  const auto& o = model.options();
  return {.dim = o.dim,
          .latents = o.latents,
          .activation = o.activation,
          .tied = o.tied,
          .normalise_rows = o.normalise_rows,
          .soft_cap = o.soft_cap,
          .ranking = o.ranking,
          .thresholds = numbers_of(model.threshold),
          .mean = numbers_of(model.mean),
          .scale = model.scale.item<double>(),
          .float64 = model.decoder.scalar_type() == torch::kFloat64};
}

void save(const SparseAutoencoder& model, const fs::path& folder) {
  const torch::NoGradGuard no_grad;
  make_folder(folder);
  const auto config = config_of(model);
  // Weights first: should the machine stop between the two renames, they compute the same beside the older
  // cfg.json of the same run, as the statistics folded into them cancel whatever that one says.
  std::array<files::AtomicFile, 2> pair{files::AtomicFile(folder / weights_name),
                                        files::AtomicFile(folder / config_name)};
  write_weights(model, config, pair[0]);
  pair[1].write(config_text(config));
  files::commit_together(pair);
}

}  // namespace msae::io
