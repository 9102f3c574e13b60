#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "msae/core/error.h"

namespace msae::files {
namespace {

Stamp stamp_by(const struct stat& status) {
  return {.device = status.st_dev,
          .number = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .seconds = status.st_mtim.tv_sec,
          .nanoseconds = status.st_mtim.tv_nsec};
}

}  // namespace

std::optional<Stamp> stamp_of(int descriptor) {
  struct stat status {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0) return std::nullopt;
  return stamp_by(status);
}

std::optional<Stamp> stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return stamp_by(status);
}

void fail_changed(const std::string& path) {
  throw IoError(path + ": was changed while it was read; begin again once nobody writes to it");
}

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  close();
}

int Descriptor::close() {
  if (number_ < 0) return 0;
  return ::close(std::exchange(number_, -1)) == 0 ? 0 : errno;
}

void fail_with_errno(const std::filesystem::path& path, const std::string& what, int error) {
  throw IoError(path.string() + ": " + what + ": " + std::generic_category().message(error));
}

File::File(std::filesystem::path path) : path_(std::move(path)) {
  // Non-blocking, as opening a named pipe would otherwise wait for a writer; regular files do not care.
  descriptor_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor_.open()) fail_with_errno(path_, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(descriptor_.number(), &status) != 0) fail_with_errno(path_, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) throw IoError(path_.string() + ": is not a regular file");
  stamp_ = stamp_by(status);
}

void File::expect(std::uint64_t offset, std::uint64_t bytes) const {
  ::posix_fadvise(descriptor_.number(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_WILLNEED);
}

void File::require_unchanged() const {
  if (stamp_of(descriptor_.number()) != stamp_) fail_changed(path_.string());
}

void File::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const auto got = ::pread(descriptor_.number(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_with_errno(path_, "cannot be read", errno);
    if (got == 0) {
      throw IoError(path_.string() + ": ends at byte " + std::to_string(offset) + ", where " +
                    std::to_string(out.size()) + " more were expected");
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

bool is_stream(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto link = std::filesystem::read_symlink(path, ignored);
  const auto folder = std::filesystem::canonical(path.parent_path(), ignored);
  const auto in_proc = [](const std::filesystem::path& place) {
    return place.string().rfind("/proc/", 0) == 0;
  };
  return in_proc(link) || in_proc(folder);
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
  const File file(path);
  if (file.size() > limit) {
    throw IoError(path.string() + ": is " + std::to_string(file.size()) + " bytes long, more than the " +
                  std::to_string(limit) + " expected at most");
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace msae::files
