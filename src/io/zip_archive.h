/// \file
/// Zip archives whose entries are stored as they are, which is how PyTorch keeps tensors. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/file.h"

namespace msae::io {

/// An archive open for reading. Its directory is read at once, entries when they are asked for.
class ZipArchive {
 public:
  /// An entry's bytes as they lie in the file.
  struct Entry {
    std::string name;
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
  };

  /// \throws msae::IoError when the file is missing, no zip archive, or its directory damaged
  explicit ZipArchive(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  bool has(const std::string& name) const { return directory_.count(name) > 0; }
  /// The first name, in the order of names, that ends with `ending`; empty where none does.
  std::string name_ending_with(const std::string& ending) const;

  /// \throws msae::IoError when there is none of that name, or it is compressed, encrypted or beyond the file
  Entry entry(const std::string& name) const;
  /// Fills `out` from byte `offset` of an entry; checks no sum. \throws msae::IoError beyond the entry's end
  void read(const Entry& entry, std::uint64_t offset, std::span<std::byte> out) const;
  /// The whole entry. \param out as long as the entry \throws msae::IoError when the checksum is not its own
  void read_all(const Entry& entry, std::span<std::byte> out) const;
  /// The whole of a small entry. \throws msae::IoError also when it is longer than `limit` bytes
  std::string text(const std::string& name, std::uint64_t limit) const;

 private:
  struct Record {
    std::uint64_t header = 0;  // where its local header begins
    std::uint64_t size = 0, stored_size = 0;
    std::uint32_t crc = 0;
    std::uint16_t method = 0, flags = 0;
  };
  class DirectoryReader;
  [[noreturn]] void refuse(const std::string& what) const;

  files::File file_;
  std::map<std::string, Record> directory_;
};

}  // namespace msae::io
