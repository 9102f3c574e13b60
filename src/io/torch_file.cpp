#include "io/torch_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/printable.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::io {
namespace {

// What PyTorch wrote before 1.6 begins with a pickled magic number.
bool is_of_before_zip(const files::File& file) {
  constexpr std::string_view magic{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14};
  std::array<char, 14> begin{};
  if (file.size() < begin.size()) return false;
  file.read_at(0, std::as_writable_bytes(std::span(begin)));
  return std::string_view(begin.data(), begin.size()) == magic;
}

std::filesystem::path checked(const std::filesystem::path& path) {
  const files::File file(path);
  if (file.size() == 0) throw IoError(path.string() + ": is empty");
  if (is_of_before_zip(file)) {
    throw IoError(path.string() +
                  ": is in PyTorch's format from before version 1.6; open it with torch.load " +
                  "and write it again with torch.save");
  }
  return path;
}

std::string prefix_of(const ZipArchive& archive) {
  const std::string name = "data.pkl";
  const auto found = archive.name_ending_with("/" + name);
  if (found.empty()) {
    throw IoError(archive.path().string() + ": is a zip archive, but not one of torch.save, as it holds no " +
                  name);
  }
  return found.substr(0, found.size() - name.size());
}

// Absent in files of before version 2.1, which are little-endian unless a rare machine wrote them.
void check_byte_order(const ZipArchive& archive, const std::string& name) {
  if (!archive.has(name)) return;
  const auto order = archive.text(name, 100);
  if (order != "little") {
    throw IoError(archive.path().string() + ": its byte order is " + printable(order) + ", expected little");
  }
}

std::string pickle_text(const ZipArchive& archive, const std::string& prefix) {
  check_byte_order(archive, prefix + "byteorder");
  return archive.text(prefix + "data.pkl", pickle::Limits{}.bytes);
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path)
    : archive_(checked(path)),
      prefix_(prefix_of(archive_)),
      pickle_(pickle_text(archive_, prefix_), path.string()) {}

ZipArchive::Entry TorchFile::entry(const pickle::Storage& storage) const {
  auto found = archive_.entry(prefix_ + "data/" + storage.key);
  const auto expected = byte_count({storage.elements}, element_size(storage.dtype));
  if (found.size != expected) {
    throw IoError(path().string() + ": entry " + printable(found.name) + " is " + std::to_string(found.size) +
                  " bytes long, but its pickle tells of " + std::to_string(storage.elements) +
                  " elements of " + storage.dtype);
  }
  return found;
}

std::vector<std::byte> TorchFile::read_all(const pickle::Storage& storage) const {
  const auto found = entry(storage);
  require_memory(found.size, path().string() + ": entry " + printable(found.name));
  std::vector<std::byte> bytes(static_cast<std::size_t>(found.size));
  archive_.read_all(found, bytes);
  return bytes;
}

void TorchFile::read(const pickle::Storage& storage, std::uint64_t offset, std::span<std::byte> out) const {
  archive_.read(entry(storage), offset, out);
}

}  // namespace msae::io
