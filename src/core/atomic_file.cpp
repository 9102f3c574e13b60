#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::files {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& target) {
  const auto folder = target.parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

// In the target's folder, as rename(2) does not cross file systems; its own name for each process and file,
// as two runs may write to one folder.
std::filesystem::path temporary_name(const std::filesystem::path& target) {
  static std::atomic<unsigned> counter{0};
  return folder_of(target) / ("." + target.filename().string() + "." + std::to_string(::getpid()) + "-" +
                              std::to_string(counter++) + ".tmp");
}

// A rename is on the disk once its folder is. The new file is in place either way, so a file system that
// cannot sync folders is no error.
void sync_folder(const std::filesystem::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.open()) ::fsync(descriptor.number());
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  check_target();
  std::filesystem::path name;
  do {
    name = temporary_name(target_);
    descriptor_ = Descriptor(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  } while (!descriptor_.open() && errno == EEXIST);  // left by a killed process of the same number
  if (!descriptor_.open()) fail_with_errno(target_, "cannot be written", errno);
  temporary_ = std::move(name);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::move(other.descriptor_)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

// Found now, not by a rename that fails after another file has been replaced.
void AtomicFile::check_target() const {
  std::error_code ignored;
  if (std::filesystem::is_directory(target_, ignored)) {
    throw IoError(target_.string() + ": cannot be written: a folder of that name is there");
  }
  if (std::filesystem::exists(target_, ignored) && !std::filesystem::is_regular_file(target_, ignored)) {
    throw IoError(target_.string() + ": cannot be written: it is no regular file");
  }
}

void AtomicFile::require_room(std::uint64_t bytes) {
  const int error = ::posix_fallocate(descriptor_.number(), 0, static_cast<off_t>(bytes));
  if (error != 0) {
    fail_with_errno(target_, "cannot be written: " + human_bytes(bytes) + " are needed", error);
  }
  if (::ftruncate(descriptor_.number(), 0) != 0) fail_with_errno(target_, "cannot be written", errno);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno(target_, "cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::sync() {
  if (!descriptor_.open()) return;
  if (::fsync(descriptor_.number()) != 0) fail_with_errno(target_, "cannot be written", errno);
  if (const int error = descriptor_.close()) fail_with_errno(target_, "cannot be written", error);
}

void AtomicFile::rename() {
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail_with_errno(target_, "cannot be replaced", errno);
  }
  temporary_.clear();
}

void AtomicFile::commit() {
  commit_together(std::span(this, 1));
}

void commit_together(std::span<AtomicFile> files) {
  for (auto& file : files) file.sync();
  for (const auto& file : files) file.check_target();
  for (auto& file : files) file.rename();
  for (const auto& file : files) sync_folder(folder_of(file.target()));
}

void write_file(const std::filesystem::path& target, std::string_view text) {
  AtomicFile file(target);
  file.write(text);
  file.commit();
}

}  // namespace msae::files
