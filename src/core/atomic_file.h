/// \file
/// Files that are either written whole or not at all. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "core/file.h"

namespace msae::files {

/// A file written beside its target and renamed onto it by commit(). Until then, and after any failure, the
/// target is as it was; a file that is never committed is removed.
class AtomicFile {
 public:
  /// \throws msae::IoError when the folder is missing or not writable
  explicit AtomicFile(std::filesystem::path target);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  const std::filesystem::path& target() const { return target_; }
  /// Where the bytes are until commit(): for a library that writes files of its own. Empty after it.
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Sets the room aside that the file needs when it is `bytes` long, beyond its end where it is shorter: for
  /// a library that cannot stand a full disk. What the file does not come to need is given back by sync(),
  /// and by whoever truncates it. \throws msae::IoError when the disk has no such room, or a size limit
  /// forbids it
  void reserve(std::uint64_t bytes);
  /// Appends. \throws msae::IoError, also when the disk is full or a size limit is met
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Brings everything to the disk and closes the temporary. \throws msae::IoError
  void sync();
  /// sync(), then takes the target's place. \throws msae::IoError
  void commit();

 private:
  friend void commit_together(std::span<AtomicFile> files);
  void check_target() const;
  void give_back_the_rest();
  void rename();

  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty: nothing to remove
  Descriptor descriptor_;
  bool reserved_ = false;
};

/// Several files as one step: all brought to the disk first, then renamed in the given order, so that nothing
/// which depends on space or on the device can fail between two renames. \throws msae::IoError
void commit_together(std::span<AtomicFile> files);

/// \throws msae::IoError
void write_file(const std::filesystem::path& target, std::string_view text);

}  // namespace msae::files
