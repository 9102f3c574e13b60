#include <system_error>

#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_path(const fs::path& path) {
  std::error_code ignored;
  const auto name = path.string();
  if (!fs::exists(path, ignored)) throw IoError(name + ": there is no such folder");
  if (fs::exists(path / "state" / "lock", ignored)) {
    throw IoError(
        name +
        ": holds a run that has written no model yet, as it does at its end and when it is stopped by "
        "Ctrl-C; see 'msae info', and go on with 'msae train --out " +
        name + " --resume'");
  }
  if (fs::is_directory(path, ignored)) {
    throw IoError(name + ": is not a model folder, as it holds no " + config_name + ", nor " +
                  dictionary_weights_name + " of dictionary_learning");
  }
  if (path.extension() == ".safetensors") {
    throw IoError(name + ": is not a model of msae, as its metadata do not say so");
  }
  if (path.extension() == ".onnx") throw IoError(name + ": is for ONNX runtimes; msae does not read it back");
  throw IoError(name +
                ": is not a folder, nor a .pth file of the published implementation or a .safetensors "
                "file of msae");
}

std::shared_ptr<models::SparseAutoencoder> load_any(const fs::path& path) {
  switch (model_format(path)) {
    case ModelFormat::sae_lens:
      return load_folder(path);
    case ModelFormat::sparsify:
      return load_sparsify(path);
    case ModelFormat::dictionary_learning:
      return load_dictionary_learning(path.filename() == dictionary_weights_name ? path.parent_path() : path);
    case ModelFormat::reference:
      return load_reference(path);
    case ModelFormat::safetensors:
      return load_safetensors(path);
    default:
      refuse_path(path);
  }
}

}  // namespace

std::shared_ptr<models::SparseAutoencoder> load(const fs::path& path, c10::Device device) {
  const torch::NoGradGuard no_grad;
  auto model = load_any(path);
  model->to(device);
  return model;
}

}  // namespace msae::io
