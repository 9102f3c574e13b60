/// \file
/// Reading a regular file at given places, with failures told in words. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace msae::files {

/// Owns a file descriptor and closes it.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const { return number_; }
  bool open() const { return number_ >= 0; }
  /// Closes it. \return 0, or the errno of close(2), which is where a network file system may report a lost
  /// write
  int close();

 private:
  int number_;
};

/// By what a file is known again: another stamp is another file, or one that was written to.
struct Stamp {
  std::uint64_t device = 0, number = 0, size = 0;
  std::int64_t seconds = 0, nanoseconds = 0;  ///< of its last change

  bool operator==(const Stamp&) const = default;
};

/// None where the descriptor is none.
std::optional<Stamp> stamp_of(int descriptor);

/// None where nothing is there.
std::optional<Stamp> stamp_of(const std::filesystem::path& path);

/// Throws IoError "<path>: was changed while it was read; ..."
[[noreturn]] void fail_changed(const std::string& path);

/// A regular file open for reading.
class File {
 public:
  /// \throws msae::IoError when there is no such file, it is not a regular file, or may not be read
  explicit File(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return stamp_.size; }
  const Stamp& stamp() const { return stamp_; }
  /// Fills `out` from `offset` on. \throws msae::IoError when the file ends before that
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;
  /// A hint that these bytes are about to be read: the disk may begin.
  void expect(std::uint64_t offset, std::uint64_t bytes) const;
  /// \throws msae::IoError when the file was written to since it was opened
  void require_unchanged() const;

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  Stamp stamp_;
};

/// Whether a path is a name of one of the process's streams, like /dev/stdout. Such a link may lead to a
/// regular file, and yet is none that another may take the place of.
bool is_stream(const std::filesystem::path& path);

/// The whole of a small text file. \throws msae::IoError also when it is longer than `limit` bytes
std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

/// Throws IoError "<path>: <what>: <errno in words>".
[[noreturn]] void fail_with_errno(const std::filesystem::path& path, const std::string& what, int error);

}  // namespace msae::files
