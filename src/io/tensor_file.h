/// \file
/// LibTorch tensors in one safetensors file: the bridge between the Torch-free format and the library.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/atomic_file.h"

namespace msae::io {

/// \param contiguous on the CPU
inline std::span<std::byte> bytes_of(const torch::Tensor& contiguous) {
  return {static_cast<std::byte*>(contiguous.data_ptr()), contiguous.nbytes()};
}

/// As a safetensors file names a type: "F32", "F64", "I64" or "I32". \throws c10::Error for another type
const char* dtype_name(torch::ScalarType type);

/// The type of weights that a file names as safetensors does.
/// \throws msae::IoError "<where> is ..., expected F32, F64, F16 or BF16"
torch::ScalarType float_type(const std::string& dtype, const std::string& where);

struct TensorFile {
  std::map<std::string, torch::Tensor> tensors;  ///< float32, float64, int64 or int32, on the CPU once loaded
  std::map<std::string, std::string> metadata;
};

/// Of everything in it: names, types, shapes, values and the metadata.
std::uint32_t checksum(const TensorFile& file);

/// To a file that the caller commits. \throws msae::IoError; c10::Error for a tensor of another type
void write_tensors(files::AtomicFile& out, const TensorFile& file);

/// Whole or not at all. \throws as write_tensors()
void save_tensors(const std::filesystem::path& path, const TensorFile& file);

/// \throws msae::IoError when the file is missing, malformed, or holds a tensor of another type
TensorFile load_tensors(const std::filesystem::path& path);

}  // namespace msae::io
