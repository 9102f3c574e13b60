#include "io/model_format.h"

#include <system_error>

#include "io/safetensors.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

ModelFormat format_of_folder(const fs::path& folder) {
  if (!is_there(folder / config_name)) {
    return is_there(folder / dictionary_weights_name) ? ModelFormat::dictionary_learning : ModelFormat::none;
  }
  const bool of_sparsify = is_there(folder / sparsify_weights_name) && !is_there(folder / weights_name);
  return of_sparsify ? ModelFormat::sparsify : ModelFormat::sae_lens;
}

bool is_of_msae(const fs::path& file) {
  const SafetensorsFile opened(file);
  const auto format = opened.metadata().find("format");
  return format != opened.metadata().end() && format->second == "msae";
}

}  // namespace

ModelFormat model_format(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return format_of_folder(path);
  const auto extension = path.extension();
  if (path.filename() == dictionary_weights_name && is_there(path.parent_path() / dictionary_config_name)) {
    return ModelFormat::dictionary_learning;
  }
  if (extension == ".pth" || extension == ".pt") return ModelFormat::reference;
  if (extension != ".safetensors" || !fs::is_regular_file(path, ignored)) return ModelFormat::none;
  return is_of_msae(path) ? ModelFormat::safetensors : ModelFormat::none;
}

std::string format_name(ModelFormat format) {
  switch (format) {
    case ModelFormat::sae_lens:
      return "sae-lens";
    case ModelFormat::sparsify:
      return "sparsify";
    case ModelFormat::dictionary_learning:
      return "dictionary-learning";
    case ModelFormat::reference:
      return "reference";
    case ModelFormat::safetensors:
      return "safetensors";
    default:
      return "none";
  }
}

}  // namespace msae::io
