#include "io/model_files.h"

#include <cstdint>
#include <stdexcept>
#include <system_error>

#include "core/file.h"
#include "msae/core/error.h"

namespace msae::io {

namespace fs = std::filesystem;

ModelConfig read_config(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) throw IoError(folder.string() + ": there is no such folder");
  if (!fs::is_directory(folder, ignored)) {
    throw IoError(folder.string() + ": is not a folder, nor a .pth file of the published implementation");
  }
  const auto path = folder / config_name;
  if (!fs::exists(path, ignored)) {
    throw IoError(folder.string() + ": is not a model folder, as it holds no " + config_name);
  }
  return parse_config(files::read_text(path, max_config_bytes), path.string());
}

models::SparseAutoencoderOptions options_of(const ModelConfig& config, const std::string& where) {
  models::SparseAutoencoderOptions options{.dim = config.dim,
                                           .latents = config.latents,
                                           .activation = config.activation,
                                           .tied = config.tied,
                                           .normalise_rows = config.normalise_rows,
                                           .soft_cap = config.soft_cap,
                                           .ranking = config.ranking};
  try {
    options.validate();
  } catch (const std::invalid_argument& impossible) {
    throw IoError(where + impossible.what());
  }
  return options;
}

}  // namespace msae::io
