/// \file
/// A file of torch.save: a zip archive of a pickle and the storages that it names. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/pickle_reader.h"
#include "io/zip_archive.h"

namespace msae::io {

class TorchFile {
 public:
  /// Reads the pickle, and no storage yet. \throws msae::IoError when it is no file of torch.save, or damaged
  explicit TorchFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return archive_.path(); }
  const pickle::Value& root() const { return pickle_.root(); }

  /// The bytes of a storage, its checksum compared.
  /// \throws msae::IoError when it is missing, damaged or not as long as the pickle says, or memory lacks
  std::vector<std::byte> read_all(const pickle::Storage& storage) const;
  /// The byte of the file where a storage begins. \throws msae::IoError as read_all()
  std::uint64_t position(const pickle::Storage& storage) const { return entry(storage).begin; }
  /// Fills `out` from byte `offset` of a storage on, as rows of a large one are read; compares no checksum.
  void read(const pickle::Storage& storage, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  ZipArchive::Entry entry(const pickle::Storage& storage) const;

  ZipArchive archive_;
  std::string prefix_;  // of every name in the archive
  pickle::Pickle pickle_;
};

}  // namespace msae::io
