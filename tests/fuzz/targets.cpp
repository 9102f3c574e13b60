#include "fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/npy_source.h"
#include "data/tensor_source.h"
#include "io/dictionary_learning_file.h"
#include "io/model_config.h"
#include "io/reference_checkpoint.h"
#include "io/safetensors.h"
#include "io/sparsify_config.h"
#include "io/torch_file.h"
#include "msae/core/error.h"
#include "msae/data/source.h"
#include "support/files.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::fuzz {
namespace {

/// Bytes as a file that lies in memory.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("msae", MFD_CLOEXEC)) {
    if (::write(descriptor_.number(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("no file in memory");
    }
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.number()); }

 private:
  files::Descriptor descriptor_;
};

/// Files and folders of embeddings, of every kind.
class SampleFolder {
 public:
  SampleFolder() {
    const std::string values(24, '\0'),
        header = R"({"x":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}})";
    for (const auto* folder : {"parts", "empty", "both/img_emb", "both/text_emb"}) {
      std::filesystem::create_directories(folder_ / folder);
    }
    for (const auto* name : {"a_3_2.npy", "b:c_2_3.npy", "parts/p_1_6.npy", "parts/q_2_3.npy",
                             "both/img_emb/i_3_2.npy", "both/text_emb/t_6_1.npy"}) {
      test::overwrite(folder_ / name, values);
    }
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size());
    test::overwrite(folder_ / "d.safetensors", length + header + values);
    test::Hdf5File(folder_ / "e.h5").floats("/g/x", {3, 2}, std::vector<float>(6));
  }
  std::string path() const { return folder_.path().string(); }

 private:
  test::TempDir folder_;
};

template <class Parse>
void refused_or_read(const Parse& parse) {
  try {
    parse();
  } catch (const Error&) {  // IoError, or not enough memory
  }
}

void read_last_row(data::EmbeddingSource& source) {
  if (source.dim() > 1'000'000) return;
  std::vector<float> row(static_cast<std::size_t>(source.dim()));
  source.read_unchecked(source.rows() - 1, 1, row);
}

/// Looks at every value, and at most so deep, as values may lie in themselves.
void walk(const io::pickle::Value& value, int depth) {
  if (depth == 0 || io::pickle::kind(value).empty()) return;
  if (const auto* dict = std::get_if<io::pickle::Dict>(&value.is)) {
    if (dict->items.size() > 100) return;
    for (const auto& [key, item] : dict->items) walk(*key, depth - 1), walk(*item, depth - 1);
  }
  if (const auto* sequence = std::get_if<io::pickle::Sequence>(&value.is)) {
    if (sequence->items.size() > 100) return;
    for (const auto* item : sequence->items) walk(*item, depth - 1);
  }
}

io::ReferenceCheckpoint checkpoint(const io::pickle::Value& root) {
  walk(root, 3);
  return io::parse_reference(root, "a.pth", "TopKReLU_1");
}

}  // namespace

void pickle(std::string_view bytes) {
  refused_or_read([&] { checkpoint(io::pickle::Pickle(bytes, "a.pth").root()); });
}

void torch_file(std::string_view bytes) {
  refused_or_read([&] {
    const MemoryFile memory(bytes);
    const io::TorchFile file(memory.path());
    const auto found = checkpoint(file.root());
    for (const auto* tensor : {&found.encoder, &found.latent_bias, &found.mean})
      file.read_all(tensor->storage);
    std::byte first{};
    file.read(found.pre_bias.storage, 0, {&first, 1});
  });
}

void npy_header(std::string_view bytes) {
  refused_or_read([&] { data::parse_npy_header(bytes, "a.npy"); });
}

void npy_file(std::string_view bytes) {
  refused_or_read([&] { read_last_row(*data::open_npy(MemoryFile(bytes).path())); });
}

void safetensors_data(std::string_view bytes) {
  const MemoryFile memory(bytes);
  refused_or_read([&] { data::list_safetensors(memory.path()); });
  refused_or_read([&] { read_last_row(*data::open_safetensors(memory.path(), "")); });
}

void torch_data(std::string_view bytes) {
  const MemoryFile memory(bytes);
  refused_or_read([&] { data::list_torch(memory.path()); });
  refused_or_read([&] { read_last_row(*data::open_torch(memory.path(), "")); });
}

void data_name(std::string_view bytes) {
  if (bytes.find('\0') != bytes.npos || bytes.find("..") != bytes.npos)
    return;  // no name, or out of the folder
  static const SampleFolder folder;
  refused_or_read([&] { read_last_row(*data::open(folder.path() + "/" + std::string(bytes))); });
}

void safetensors_header(std::string_view bytes) {
  refused_or_read([&] { io::parse_safetensors_header(bytes, 1'000'000, "a.safetensors"); });
}

void model_config(std::string_view bytes) {
  refused_or_read([&] { io::config_text(io::parse_config(bytes, "cfg.json")); });
}

void model_text(std::string_view bytes) {
  refused_or_read([&] {
    io::ModelConfig config;
    io::parse_model_text(bytes, "a.safetensors: model", config);
    io::model_text(config);
  });
}

void sparsify_config(std::string_view bytes) {
  refused_or_read([&] { io::sparsify_text(io::parse_sparsify(bytes, "cfg.json")); });
}

// config.json, up to a zero byte, and ae.pt.
void dictionary_learning(std::string_view bytes) {
  refused_or_read([&] {
    const auto end = std::min(bytes.find('\0'), bytes.size());
    const MemoryFile memory(bytes.substr(std::min(end + 1, bytes.size())));
    const io::TorchFile file(memory.path());
    const auto found = io::parse_dictionary_learning(file, bytes.substr(0, end), "config.json");
    for (const auto* tensor : {&found.encoder, &found.decoder, &found.pre_bias})
      file.read_all(tensor->storage);
    io::dictionary_config_text(found.activation, found.dim, found.latents);
  });
}

void reference_name(std::string_view bytes) {
  const std::string text(bytes);
  refused_or_read([&] {
    try {
      io::name_as_told(text);
    } catch (const std::invalid_argument&) {
    }
    if (const auto name = io::name_of_file(text)) {
      io::file_name(io::reference_model(*name, name->dim.value(), name->latents.value(), true, "a.pth"));
    }
  });
}

}  // namespace msae::fuzz
