#include "data/format.h"

#include <algorithm>
#include <array>

#include "data/hdf5_source.h"
#include "data/npy_source.h"
#include "data/tensor_source.h"
#include "msae/core/error.h"

namespace msae::data {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::array hdf5_endings{".h5"sv, ".hdf5"sv, ".hdf"sv, ".he5"sv};
constexpr std::array npy_endings{".npy"sv};
constexpr std::array safetensors_endings{".safetensors"sv};
constexpr std::array torch_endings{".pt"sv, ".pth"sv};

std::unique_ptr<EmbeddingSource> open_only_array(const fs::path& file, const std::string& inside) {
  if (inside.empty()) return open_npy(file);
  throw IoError(file.string() + ":" + inside + ": a .npy file holds one array alone; name it without " +
                inside);
}

constexpr std::array formats{Format{"HDF5", hdf5_endings, open_hdf5, list_hdf5},
                             Format{"npy", npy_endings, open_only_array, list_npy},
                             Format{"safetensors", safetensors_endings, open_safetensors, list_safetensors},
                             Format{"torch", torch_endings, open_torch, list_torch}};

}  // namespace

const Format* format_by_ending(const fs::path& file) {
  const auto ending = file.extension().string();
  for (const auto& format : formats) {
    if (std::find(format.endings.begin(), format.endings.end(), ending) != format.endings.end())
      return &format;
  }
  return nullptr;
}

const Format& format_of(const fs::path& file) {
  const auto* format = format_by_ending(file);
  return format ? *format : formats[0];
}

std::unique_ptr<EmbeddingSource> open_file(const Name& name) {
  return format_of(name.file).open(name.file, name.path);
}

}  // namespace msae::data
