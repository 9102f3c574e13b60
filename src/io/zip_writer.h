/// \file
/// Writes zip archives as torch.save does: stored entries whose bytes begin at multiples of 64. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "io/zip_format.h"

namespace msae::io {

class ZipWriter {
 public:
  /// `file` must outlive the writer; the caller commits it.
  /// \param wide_from sizes and offsets from which 64-bit fields are written: less in tests, for which 4 GB
  ///                  are too much
  explicit ZipWriter(files::AtomicFile& file, std::uint64_t wide_from = zip::is_wide)
      : file_(file), wide_from_(wide_from) {}

  /// A name may be used once.
  void add(const std::string& name, std::span<const std::byte> bytes);
  void add(const std::string& name, std::string_view text) { add(name, std::as_bytes(std::span(text))); }
  /// Writes the directory, after the last entry.
  void finish();

 private:
  struct Record {
    std::string name;
    std::uint64_t header = 0, size = 0;
    std::uint32_t crc = 0;
  };
  void write(std::string_view bytes);
  std::string directory_record(const Record& record) const;
  std::string end_of_directory(std::uint64_t begin) const;

  files::AtomicFile& file_;
  std::uint64_t wide_from_;
  std::uint64_t position_ = 0;
  std::vector<Record> records_;
};

}  // namespace msae::io
