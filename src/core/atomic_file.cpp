#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
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

/// 0, or the errno of a file that cannot grow to `bytes`.
int room_for(int descriptor, std::uint64_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) return EFBIG;
  // What is set aside already need not be gone through again, but for what the file system may have counted
  // in.
  struct stat file {};
  if (::fstat(descriptor, &file) != 0) return errno;
  constexpr std::uint64_t overlap = 1 << 20;
  const auto taken = static_cast<std::uint64_t>(file.st_blocks) * 512;
  const auto from = std::min(bytes, taken > overlap ? taken - overlap : 0);
  if (from == bytes) return 0;
  int status = 0;
  do {
    status = ::fallocate(descriptor, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                         static_cast<off_t>(bytes - from));
  } while (status != 0 && errno == EINTR);
  if (status == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
  // A file system that sets nothing aside can at least be asked.
  struct statvfs disk {};
  if (::fstatvfs(descriptor, &disk) != 0) return 0;
  const auto free = saturating_product(disk.f_bavail, disk.f_frsize);
  return bytes > taken && bytes - taken > free ? ENOSPC : 0;
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
      descriptor_(std::move(other.descriptor_)),
      reserved_(other.reserved_) {}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

// Found now, not by a rename that fails after another file has been replaced.
void AtomicFile::check_target() const {
  std::error_code ignored;
  if (std::filesystem::is_directory(target_, ignored)) {
    throw IoError(target_.string() + ": cannot be written: a folder of that name is there");
  }
  if (is_stream(target_) ||
      (std::filesystem::exists(target_, ignored) && !std::filesystem::is_regular_file(target_, ignored))) {
    throw IoError(target_.string() + ": cannot be written: it is no regular file");
  }
}

void AtomicFile::reserve(std::uint64_t bytes) {
  reserved_ = true;
  const auto error = room_for(descriptor_.number(), bytes);
  if (error == 0) return;
  fail_with_errno(target_, "cannot be written: " + human_bytes(bytes) + " are needed", error);
}

// What lies beyond the end of a file goes when it is cut there.
void AtomicFile::give_back_the_rest() {
  struct stat file {};
  const bool cut =
      ::fstat(descriptor_.number(), &file) == 0 && ::ftruncate(descriptor_.number(), file.st_size) == 0;
  if (!cut) fail_with_errno(target_, "cannot be written", errno);
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
  if (reserved_) give_back_the_rest();
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
