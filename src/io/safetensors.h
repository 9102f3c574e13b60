/// \file
/// The safetensors format: a length, a JSON header naming tensors, their bytes. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/file.h"
#include "io/tensor_layout.h"

namespace msae::io {

struct TensorEntry {
  std::string dtype;        ///< "F32", "F64", "BF16", ...
  Shape shape;              ///< row-major
  std::uint64_t begin = 0;  ///< first byte, counted from the end of the header
  std::uint64_t bytes = 0;  ///< product of the shape times the element's size
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
};

/// Everything about a header that can be checked without reading a tensor.
/// \param data_bytes  bytes of the file after the header
/// \param file        named in messages
/// \throws msae::IoError
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& file);

/// A safetensors file open for reading; its tensors are read when asked for, whole or in parts.
class SafetensorsFile {
 public:
  /// \throws msae::IoError when the file is missing, truncated or malformed
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::map<std::string, TensorEntry>& tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

  /// \throws msae::IoError listing the tensors there are when `name` is none of them
  const TensorEntry& entry(const std::string& name) const;
  /// \throws msae::IoError also when the tensor's shape is another one
  const TensorEntry& entry(const std::string& name, const Shape& expected) const;
  /// The byte of the file where a tensor begins.
  std::uint64_t position(const TensorEntry& entry) const { return data_begin_ + entry.begin; }
  /// Fills `out` from byte `offset` of a tensor. \throws msae::IoError when that is beyond the tensor's end
  void read(const TensorEntry& entry, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  files::File file_;
  std::uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

/// Writes the header at once and then takes the tensors' bytes in the declared order, in pieces of any size.
class SafetensorsWriter {
 public:
  struct Declaration {
    std::string name;
    std::string dtype;
    Shape shape;
  };

  /// `file` must outlive the writer; the caller commits it. \throws std::invalid_argument for an unknown
  /// dtype
  SafetensorsWriter(files::AtomicFile& file, const std::vector<Declaration>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  void write(std::span<const std::byte> bytes);
  /// \throws std::logic_error unless exactly the declared bytes were written
  void finish() const;

 private:
  files::AtomicFile& file_;
  std::uint64_t remaining_ = 0;
};

}  // namespace msae::io
