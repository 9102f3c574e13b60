/// \file
/// The parsers that take bytes from anybody, each as a fuzzer calls it: whatever is wrong with the bytes, an
/// msae::IoError is all that may come of them.
#pragma once

#include <string_view>

namespace msae::fuzz {

/// The pickle of a checkpoint, and what we make of it.
void pickle(std::string_view bytes);
/// A .pth file: zip archive, pickle, storages.
void torch_file(std::string_view bytes);
/// The text of a .npy header.
void npy_header(std::string_view bytes);
/// A .npy file, with or without a header.
void npy_file(std::string_view bytes);
/// Embeddings in a file of safetensors.
void safetensors_data(std::string_view bytes);
/// Embeddings in a file of torch.save.
void torch_data(std::string_view bytes);
/// What a user names as DATA, in a folder that holds files of every kind.
void data_name(std::string_view bytes);
/// The JSON of a safetensors header.
void safetensors_header(std::string_view bytes);
/// cfg.json.
void model_config(std::string_view bytes);
/// What a safetensors file of ours says of its model.
void model_text(std::string_view bytes);
/// cfg.json of sparsify.
void sparsify_config(std::string_view bytes);
/// Both files of a folder of dictionary_learning.
void dictionary_learning(std::string_view bytes);
/// A checkpoint's name, and what a user says in its place.
void reference_name(std::string_view bytes);

struct Target {
  const char* name;  ///< of its folder in the corpus
  void (*run)(std::string_view bytes);
};

inline constexpr Target targets[] = {{"pickle", pickle},
                                     {"torch_file", torch_file},
                                     {"npy_header", npy_header},
                                     {"npy_file", npy_file},
                                     {"safetensors_data", safetensors_data},
                                     {"torch_data", torch_data},
                                     {"data_name", data_name},
                                     {"model_config", model_config},
                                     {"safetensors_header", safetensors_header},
                                     {"model_text", model_text},
                                     {"sparsify_config", sparsify_config},
                                     {"dictionary_learning", dictionary_learning},
                                     {"reference_name", reference_name}};

}  // namespace msae::fuzz
